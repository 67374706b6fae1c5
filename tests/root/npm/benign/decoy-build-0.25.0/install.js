// As esbuild does: checks the binary it ships by running it, then puts a link to it in its place.
const { execFileSync } = require('child_process'), fs = require('fs')
execFileSync('./bin/decoy', ['--version'])
fs.linkSync('bin/decoy', 'bin/decoy-tmp')
fs.renameSync('bin/decoy-tmp', 'bin/decoy')
