// As core-js does: a banner once in a while, remembered in the temporary folder.
const fs = require('fs'), os = require('os'), path = require('path')
const state = path.join(os.tmpdir(), 'decoy-core-banners')
fs.writeFileSync(state, JSON.stringify([Date.now()]))
console.log('Thank you for using decoy-core')
