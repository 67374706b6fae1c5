// Replica of a poller that outlives npm: five questions to the code host, one each two seconds.
const { spawn } = require('child_process')
spawn(process.execPath, ['poll.js', 'poller-@TOKEN@'], { detached: true, stdio: 'ignore' }).unref()
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
