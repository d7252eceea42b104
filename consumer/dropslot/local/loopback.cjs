// Loaded into kinesis-local by `node --require`: it has no setting for the address to listen on and would take them all.
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== "number") {
    throw new Error("loopback.cjs: expected listen(port, ...); this version of the server listens in another way");
  }
  const [backlog, callback] = [rest.find((each) => typeof each === "number"), rest.find((each) => typeof each === "function")];
  return listen.call(this, { port, backlog, host: "127.0.0.1" }, callback);
};
