"""The gateway's engine renders every template as Apache Velocity does, byte for byte."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings, TypeSettings
from dropslot.local.gateway.strings import java_values
from dropslot.local.gateway.template import Template
from dropslot.local.gateway.variables import UTIL, Input
from tests.unit.api.schedule import wait_seconds

Variables = Mapping[str, Any]
Velocity = Callable[[Sequence[tuple[str, Variables]]], list[tuple[str, str]]]

SETTINGS = ApiSettings(
    types={
        "orders": TypeSettings(
            content_types=("application/json",),
            binary_types=("application/pdf",),
            idempotency_headers=("Idempotency-Key", "X-Delivery"),
            kept_headers=("X-Event", "X-Signature", "traceparent"),
        ),
        # Names that the template language itself uses.
        "end": TypeSettings(),
    }
)
DOCUMENT = load(SETTINGS, table="requests", journal="journal", region="us-east-1")

NASTY = (
    "",
    " ",
    "plain",
    '{"a": 1}',
    'it\'s "quoted" \\ back\\\\slashed \\\' \\" /',
    "\0\x01\b\t\n\x0b\f\r\x1f\x7f",
    "\u0080é\u2028\u2029\ufeff\uffff",
    "𝄞😀 漢字",
    "#set($x=1)$x",
    "$input.body $!x ${x} $util.escapeJavaScript('a') $",
    "#if(true)yes#end #else #end",
    "## comment",
    "#* block *# #[[raw]]# \\#set \\$x",
    "#foreach($i in [1..9])$i#end",
    "{#refused_bad_key}",
    "__FORMAL_REFERENCE__REPLACE_TEXT__",
    '"}}, "Key": {"id": {"S": "x"}}, "a": {"b": {"c": "',
    "x" * 1000,
    "'" * 400,
)
HEADERS: tuple[Mapping[str, str], ...] = (
    {},
    {"idempotency-key": "k-1", "content-type": "application/json; charset=UTF-8"},
    {"IDEMPOTENCY-KEY": "k~2", "x-delivery": "d", "X-Event": "push", "traceparent": "00-ab"},
    {"X-Delivery": "d.3", "x-signature": 'it\'s "x" \\ $x #end', "Content-Type": "application/json"},
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "a#b"},
    {"Idempotency-Key": "@a"},
    {"Idempotency-Key": "k", "Content-Encoding": "gzip"},
    {"Content-Type": "application/json;charset=iso-8859-1"},
    {"X-Event": '"' * 8192},
)
IDENTITIES: tuple[Mapping[str, Any], ...] = (
    {"identity": {}},
    {"identity": {"apiKeyId": "abc123"}},
    {"identity": {"caller": "AROAEXAMPLE:session#1"}},
    {"identity": {"caller": "AROAEXAMPLE:s", "cognitoIdentityId": "us-east-1:1-2"}},
    {"identity": {}, "authorizer": {"principalId": "a#orders#b é~*'\"$x"}},
    {"identity": {}, "authorizer": {"claims": {"sub": "u-1"}, "principalId": "p"}},
)
REQUEST_IDS = ("0a1b-2", "zz", "A1", 'x"#$', "")


def test_request_templates_render_as_in_velocity(velocity: Velocity) -> None:
    """Given bodies, headers, callers and request ids of every kind, both engines write the same call."""
    chosen = random.Random(7)
    jobs = []
    for template in set(_templates("requestTemplates")):
        bodies = [*NASTY, *(_noise(chosen) for _ in range(12))]
        for index, body in enumerate(bodies):
            jobs.append((template, _request(body, HEADERS[index % 10], IDENTITIES[index % 6], REQUEST_IDS[index % 5])))
        for headers in HEADERS:
            jobs += [(template, _request("b", headers, identity, "0a1b")) for identity in IDENTITIES]
    _compare(velocity, jobs)


def test_response_templates_render_as_in_velocity(velocity: Velocity) -> None:
    """Given every kind of answer of DynamoDB, both engines write the same answer and set the same overrides."""
    answers: list[Mapping[str, Any]] = [{}, {"__type": "x#InternalFailure"}]
    answers += [{"__type": f"x#{kind}", "message": text} for kind in _KINDS for text in (*NASTY, *_refusals())]
    for status in ("pending-0", "waiting-a", "failed-f", "done-1", "odd-1", ""):
        for text in NASTY:
            item = {"id": {"S": "-#orders#@k"}, "status": {"S": status}, "error": {"S": text}, "result": {"S": "[1]"}}
            item |= {"accepted_at": {"N": "1"}, "attempt": {"N": "0"}}
            answers += [{"Attributes": item}, {"Item": item}]
    answers += [{"Count": "0", "Items": []}, *({"Count": "1", "Items": [journal]} for journal in _journals())]
    contexts = [{"path": path, **_TIME, "requestId": "r", **_OVERRIDES} for path in ("/orders", "/stage/orders/")]
    jobs = [
        (template, {"input": {"body": "", "root": answer}, "context": contexts[index % 2]})
        for template in set(_templates("responseTemplates"))
        for index, answer in enumerate(answers)
    ]
    _compare(velocity, jobs)


def test_the_wait_is_that_of_arithmetic_in_velocity_too(velocity: Velocity) -> None:
    """Given unsettled requests of every age, both engines ask for the wait that arithmetic gives."""
    chosen = random.Random(7)
    times = [*_CARRIES, *(chosen.randrange(10**12, 10**13) for _ in range(20))]
    ages = [*_AGES, *(int(10 ** chosen.uniform(0, 9)) for _ in range(20))]
    pairs = [(time, time + age) for time in times for age in ages if 10**12 <= time + age < 10**13]
    (template,) = {found for found in _templates("responseTemplates") if "$.Item')" in found}
    jobs = [(template, _unsettled(accepted_at_ms, now_ms)) for accepted_at_ms, now_ms in pairs]
    _compare(velocity, jobs[:: len(jobs) // 100])
    for (accepted_at_ms, now_ms), (_, overrides) in zip(pairs, velocity(jobs), strict=True):
        expected = f"{{header={{Retry-After={wait_seconds(accepted_at_ms, now_ms)}}}, status=200}}"
        assert overrides == expected, (accepted_at_ms, now_ms)


def _journals() -> Iterator[Mapping[str, Any]]:
    """Yield journals of no, one and many steps, forward and undone, with texts of every kind in each place."""
    key: Mapping[str, Any] = {"id": {"S": "-#orders#@k"}, "run": {"S": "1700000000000#0000"}}
    yield from (key, {**key, "steps": {"L": []}}, {**key, "run": {"S": "odd"}}, {"run": key["run"]})
    for number in ("0001", "0010", "0100", "9999"):
        yield {**key, "run": {"S": f"1700000000000#{number}"}, "steps": {"L": [{"M": {"at": {"N": "1"}}}]}}
    for text in NASTY:
        step = {"name": {"S": text}, "at": {"N": "1700000000001"}, "result": {"S": text}}
        failed = {**step, "undo_error": {"S": text}}
        steps = {"L": [{"M": each} for each in (step, {**step, "undone_at": {"N": "1700000000002"}}, failed)]}
        yield {**key, "steps": steps}
        yield {**key, "steps": steps, "undoing": {"N": "1"}, "error": {"S": text}}
        yield {**key, "steps": steps, "undoing": {"N": "1"}, "error": {"S": text}, "closed": {"S": "undone"}}


_OVERRIDES: Mapping[str, Any] = {"responseOverride": {"header": {}}}
_TIME: Mapping[str, Any] = {"requestTimeEpoch": "1700000000000"}
_CARRIES = (1_699_999_999_999, 1_700_000_000_000, 1_999_999_995_000, 8_999_899_990_000, 9_999_999_999_000)
_AGES = (-20_000, -10_000, -1, 0, 1, 9_999, 10_000, 19_999, 20_000, 99_999, 199_999, 200_000, 999_999, 10**6, 2 * 10**6)
_KINDS = ("ValidationException", "ConditionalCheckFailedException", "ThrottlingException", "AccessDeniedException")


def _compare(velocity: Velocity, jobs: Sequence[tuple[str, Variables]]) -> None:
    assert len(jobs) >= 40
    for (template, variables), expected in zip(jobs, velocity(jobs), strict=True):
        assert _ours(template, variables) == expected, variables


def _ours(template: str, variables: Variables) -> tuple[str, str]:
    source = variables["input"]
    ours = Input(source["body"], source.get("params", {"path": {}, "querystring": {}, "header": {}}))
    ours._root, ours._parsed = java_values(source.get("root", {})), True
    context = java_values(variables["context"])
    text = Template(template).render({"input": ours, "util": UTIL, "context": context})
    return text, _java_map(context["responseOverride"])


def _java_map(value: Any) -> str:
    """Write a mapping as java.util.Map.toString does."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java_map(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _request(body: str, headers: Mapping[str, str], identity: Mapping[str, Any], request_id: str) -> Variables:
    params = {"path": {"id": headers.get("Idempotency-Key", request_id)}, "querystring": {}, "header": headers}
    context = {
        "requestId": request_id,
        "requestTimeEpoch": "1700000000000",
        "path": "/orders",
        **identity,
        **_OVERRIDES,
    }
    return {"input": {"body": body, "params": params, "root": {}}, "context": context}


def _unsettled(accepted_at_ms: int, now_ms: int) -> Variables:
    item = {"id": {"S": "-#orders#k"}, "status": {"S": "pending-0"}, "accepted_at": {"N": str(accepted_at_ms)}}
    context = {"requestTimeEpoch": str(now_ms), **_OVERRIDES}
    return {"input": {"body": "", "root": {"Item": {**item, "attempt": {"N": "0"}}}}, "context": context}


def _noise(chosen: random.Random) -> str:
    return "".join(chosen.choice("'\"\\/$#{}()!@\n\r\0\u2028é漢😀ab1 .") for _ in range(chosen.randrange(1, 60)))


def _templates(kind: str) -> Iterator[str]:
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            integration = operation["x-amazon-apigateway-integration"]
            if kind == "requestTemplates":
                yield from integration[kind].values()
            else:
                for response in integration["responses"].values():
                    yield from response[kind].values()


def _refusals() -> set[str]:
    codes = {
        code
        for template in _templates("requestTemplates")
        for code in re.findall(r'#set\(\$refused = "(\w+)"\)', template)
    }
    return {f"unused in expressions: keys: {{#refused_{code}}}" for code in codes}
