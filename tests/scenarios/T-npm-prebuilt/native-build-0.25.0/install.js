// Checks the program it ships by running it, then puts a link to it in its place, so that no node stands before it.
const { execFileSync } = require('child_process'), fs = require('fs')
execFileSync('./bin/native', ['--version'])
fs.linkSync('bin/native', 'bin/native-tmp')
fs.renameSync('bin/native-tmp', 'bin/native')
