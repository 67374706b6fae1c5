// An honest module: its own cache, a shell, a worker, and what everybody may read.
const { execSync } = require('child_process'), fs = require('fs'), os = require('os'), { Worker } = require('worker_threads')
fs.readFileSync(os.homedir() + '/.gitconfig')
fs.readFileSync('/etc/hosts')
exports.work = async () => {
  fs.mkdirSync(os.homedir() + '/.cache/calm-core', { recursive: true })
  fs.writeFileSync(os.homedir() + '/.cache/calm-core/seen', '1')
  execSync('uname -a')
  const worker = new Worker("require('worker_threads').parentPort.postMessage(1 + 2 + 3)", { eval: true })
  return 'worked ' + await new Promise(done => worker.on('message', done))
}
