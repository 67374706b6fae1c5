// Rewrites its own entry file for the version it finds, and lays a worker into the project's public folder.
const fs = require('fs'), path = require('path')
fs.writeFileSync('entry.js', 'module.exports = 3\n')
const place = path.join(process.env.INIT_CWD, 'public')
fs.mkdirSync(place, { recursive: true })
fs.writeFileSync(path.join(place, 'worker.js'), '// generated\n')
