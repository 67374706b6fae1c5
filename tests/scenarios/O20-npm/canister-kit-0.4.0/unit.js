// Replica of a persistent backdoor: a user unit that would start a script at every login, and programs to enable it.
const { spawnSync } = require('child_process'), fs = require('fs'), os = require('os'), path = require('path')
const home = os.homedir()
const refused = error => console.log('refused', error.code)
try {
  fs.mkdirSync(path.join(home, '.local/share/pgmon'), { recursive: true })
  fs.writeFileSync(path.join(home, '.local/share/pgmon/s.py'), '# @TOKEN@\n')
  fs.mkdirSync(path.join(home, '.config/systemd/user'), { recursive: true })
  fs.writeFileSync(path.join(home, '.config/systemd/user/pgmon.service'), '[Service]\nExecStart=/bin/true\n# planted-@TOKEN@\n')
} catch (error) { refused(error) }
for (const words of [['systemctl', '--user', 'enable', 'pgmon'], ['loginctl', 'enable-linger'], ['crontab', '-'], ['sudo', '-n', 'true']]) {
  const done = spawnSync(words[0], words.slice(1))
  if (done.error) refused(done.error)
}
