// Asks iam-simulate what a role may do: {policies, requests} as JSON on stdin, one word a request on stdout, in order.
import { runSimulation } from "@cloud-copilot/iam-simulate";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const { policies, requests } = JSON.parse(text);

const answers = [];
for (const { policy, action, resource, account, principal, context } of requests) {
  const result = await runSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: [{ name: "role", policy: { Version: "2012-10-17", Statement: policies[policy] } }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  answers.push(result.resultType === "error" ? `error: ${JSON.stringify(result.errors)}` : result.overallResult);
}
process.stdout.write(JSON.stringify(answers));
