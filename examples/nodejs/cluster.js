// SPDX-License-Identifier: MIT
// Workers of Node.js' cluster log to the journal, by stdout: run it as a service, or as
//
//     systemd-cat -t shop-nodejs node cluster.js [ORDERS]
//
// <N> in front of a line is its priority, 0 (emergency) to 7 (debug); journald takes it off.
"use strict";
const cluster = require("cluster");
const fs = require("fs");

const pause = new Int32Array(new SharedArrayBuffer(4));

// Returns when the line is written. console.log keeps lines in the process while the reader is slow; they die with it.
function log(priority, text) {
  let rest = Buffer.from(text.split("\n").map((line) => `<${priority}>${line}\n`).join(""));
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (e) {
      if (e.code !== "EAGAIN") throw e; // where somebody has made stdout non-blocking, as console.log does
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

function pack(order, step, done) {
  if (step > 20) return done();
  log(6, `order ${order} step ${step}`);
  setTimeout(pack, 5, order, step + 1, done);
}

if (cluster.isPrimary) {
  const orders = Number(process.argv[2] || 20);
  let next = 1;
  const work = () => next <= orders && cluster.fork({ ORDER: next++ });
  cluster.on("exit", (worker, code, signal) => {
    if (signal) log(3, `worker ${worker.process.pid} died by ${signal}`);
    work();
  });
  for (let i = 0; i < 4; i++) work();
} else {
  pack(Number(process.env.ORDER), 1, () => process.exit());
}
