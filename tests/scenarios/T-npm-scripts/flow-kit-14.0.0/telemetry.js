// Keeps a consent file in ~/.config and has a child of its own, detached, write the queue; it ends at once.
const { spawn } = require('child_process'), fs = require('fs'), os = require('os'), path = require('path')
const folder = path.join(os.homedir(), '.config', 'flow-kit')
fs.mkdirSync(folder, { recursive: true })
fs.writeFileSync(path.join(folder, 'config.json'), '{"telemetry": {"enabled": false}}')
spawn(process.execPath, ['-e', `require('fs').writeFileSync(${JSON.stringify(path.join(folder, 'queue'))}, '[]')`], { detached: true, stdio: 'ignore' }).unref()
