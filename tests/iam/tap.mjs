// A proxy in front of an AWS server that tells of each call: `node tap.mjs PORT UPSTREAM`, one JSON line a call on stdout.
// HTTP/1.1 and HTTP/2 without TLS on the same port, as kinesis-local serves them. Ends with its stdin.
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";

const [port, upstream] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
// HTTP/1.1's own, which HTTP/2 forbids.
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"];

function tell(headers, method, path, chunks) {
  const call = { method, path, target: headers["x-amz-target"] ?? "", type: headers["content-type"] ?? "", body: Buffer.concat(chunks).toString("base64") };
  process.stdout.write(`${JSON.stringify(call)}\n`);
}

function noting(source, headers, method, path) {
  const chunks = [];
  source.on("data", (chunk) => chunks.push(chunk));
  source.on("end", () => tell(headers, method, path, chunks));
}

const plain = http.createServer((request, response) => {
  const { method, url: path, headers } = request;
  noting(request, headers, method, path);
  const onward = http.request(upstream, { method, path, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
    // A call that was cut off above is cut off below.
    answer.on("error", () => response.destroy());
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => response.writableFinished || onward.destroy());
  request.pipe(onward);
});

let session;
function onwards() {
  if (!session || session.closed || session.destroyed) {
    session = http2.connect(upstream);
    session.on("error", () => session.destroy());
  }
  return session;
}

const multiplexed = http2.createServer();
multiplexed.on("sessionError", () => {});
multiplexed.on("stream", (stream, headers) => {
  noting(stream, headers, headers[":method"], headers[":path"]);
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
  const onward = onwards().request(sent);
  onward.on("response", (answer) => {
    stream.respond(Object.fromEntries(Object.entries(answer).filter(([name]) => !HOP_BY_HOP.includes(name))));
    onward.pipe(stream);
  });
  onward.on("error", () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
  stream.on("error", () => onward.close());
  stream.pipe(onward);
});

net
  .createServer((socket) => {
    socket.on("error", () => socket.destroy());
    // Not by "data": a socket that flows would keep its bytes from HTTP/2, which takes what is buffered and then the handle.
    socket.once("readable", () => {
      const start = socket.read();
      if (start === null) return;
      socket.unshift(start);
      // An HTTP/2 client that knows its server speaks it starts with these words.
      (start.subarray(0, 3).toString() === "PRI" ? multiplexed : plain).emit("connection", socket);
    });
  })
  .listen(Number(port), "127.0.0.1");

process.stdin.on("end", () => process.exit(0)).resume();
