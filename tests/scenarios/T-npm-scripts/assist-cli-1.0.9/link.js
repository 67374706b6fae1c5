// Puts a link to the program for this platform in its own folder, and tries it.
const { execFileSync } = require('child_process'), fs = require('fs')
fs.mkdirSync('bin')
fs.symlinkSync('../cli.js', 'bin/assist')
execFileSync(process.execPath, ['bin/assist'])
