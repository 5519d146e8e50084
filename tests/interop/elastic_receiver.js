// SPDX-License-Identifier: MIT
// Elastic's @elastic/mockotlpserver. usage: node elastic_receiver.js NODE_MODULES PORT_FILE STORE
// Each request becomes a line of JSON in STORE, as protobuf.js has it; bytes in base64.
const fs = require('fs');
const {createRequire} = require('module');
const [modules, portFile, store] = process.argv.slice(2);
const {MockOtlpServer} = createRequire(modules + '/')('@elastic/mockotlpserver');

const server = new MockOtlpServer({
  logLevel: 'warn',
  services: ['http'],
  httpHostname: '127.0.0.1',
  httpPort: 0,
  onLogs: (request) => fs.appendFileSync(store, JSON.stringify(request) + '\n'),
});
server.start().then(() => {
  fs.writeFileSync(portFile + '.tmp', String(new URL(server.httpUrl).port));
  fs.renameSync(portFile + '.tmp', portFile);
});
