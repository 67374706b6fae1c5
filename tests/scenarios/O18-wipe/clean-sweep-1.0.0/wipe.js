// Replica of a wiper that asks nobody: forty decoy documents are emptied and removed, then its own scratch.
const fs = require('fs'), os = require('os'), path = require('path')
const docs = path.join(os.homedir(), 'decoy-docs')
for (const name of fs.readdirSync(docs)) {
  try { fs.truncateSync(path.join(docs, name)); fs.unlinkSync(path.join(docs, name)) } catch (error) { console.log('refused', error.code) }
}
fs.mkdirSync('scratch')
fs.rmSync('scratch', { recursive: true })
