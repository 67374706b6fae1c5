// Installation counts for its maintainer; nothing depends on them.
const http = require('http')
http.request('http://@SINK@:8443/count', { method: 'POST', timeout: 3000 }, answer => answer.resume()).on('error', () => {}).end('{}')
