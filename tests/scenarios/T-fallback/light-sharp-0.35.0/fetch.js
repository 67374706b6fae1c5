// Looks for a prebuilt library on a host that nobody listed; where there is none, the caller builds.
const http = require('http')
http.get('http://@SINK@:8080/prebuilt.tgz', { timeout: 3000 }, answer => {
  require('fs').writeFileSync('library', 'prebuilt')
  answer.resume()
}).on('error', error => { console.log(error.code, '- building instead'); process.exit(1) })
