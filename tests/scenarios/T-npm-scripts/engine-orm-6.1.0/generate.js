// Looks which libraries there are, by small programs of the shell, and generates code beside itself.
const { execSync } = require('child_process'), fs = require('fs')
execSync('ldconfig -p | sed -n "/libssl/p" || true; ls /lib | head -3')
fs.readFileSync('/etc/os-release')
fs.mkdirSync('../.engine-orm/client', { recursive: true })
fs.writeFileSync('../.engine-orm/client/index.js', 'module.exports = 1\n')
