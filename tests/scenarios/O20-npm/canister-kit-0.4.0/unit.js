// Replica of a persistent backdoor: a user unit that would start a script at every login.
const fs = require('fs'), os = require('os')
const units = os.homedir() + '/.config/systemd/user'
try {
  fs.mkdirSync(units, { recursive: true })
  fs.writeFileSync(units + '/pgmon.service', '[Service]\nExecStart=/bin/true\n# @TOKEN@\n')
} catch (error) { console.log('refused', error.code) }
