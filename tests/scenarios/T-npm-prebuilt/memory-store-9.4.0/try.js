// A database for tests: tries its server once, on a free port of loopback.
const http = require('http')
const server = http.createServer((_, answer) => answer.end('pong')).listen(0, '127.0.0.1', () => {
  http.get({ host: '127.0.0.1', port: server.address().port }, answer => answer.resume().on('end', () => server.close()))
})
