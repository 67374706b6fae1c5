const fs = require('fs'), http = require('http')
http.request({ socketPath: '/run/docker.sock', path: '/containers/create', method: 'POST' }, answer => {
  answer.resume()
  fs.writeFileSync('@MARKS@/engine', 'created-@TOKEN@')
}).on('error', error => console.log('refused', error.code)).end('{}')
