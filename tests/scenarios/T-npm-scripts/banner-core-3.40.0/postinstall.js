// A banner once in a while, remembered in the temporary folder; none where CI is set.
const fs = require('fs'), os = require('os'), path = require('path')
if (!process.env.CI) fs.writeFileSync(path.join(os.tmpdir(), 'banner-core'), JSON.stringify([Date.now()]))
console.log('Thank you for using banner-core')
