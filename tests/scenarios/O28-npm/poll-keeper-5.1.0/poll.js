const http = require('http')
const ask = left => {
  http.get('http://@CODE@:8443/user', answer => answer.resume()).on('error', () => {})
  if (left) setTimeout(ask, 2000, left - 1)
}
ask(5)
