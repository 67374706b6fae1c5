// What `prepare` is for: the sources of the repository become what is published.
const fs = require('fs')
fs.mkdirSync('dist', { recursive: true })
fs.copyFileSync('source.js', 'dist/index.js')
