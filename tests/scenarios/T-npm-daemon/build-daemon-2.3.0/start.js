// Starts a helper that listens on a unix socket and would stay for later builds; talks to it once.
const { spawn } = require('child_process'), net = require('net'), os = require('os'), path = require('path')
const place = path.join(os.tmpdir(), 'daemon.sock')
spawn(process.execPath, ['daemon.js', place], { detached: true, stdio: 'ignore' }).unref()
const talk = left => net.connect(place).on('connect', function () { this.end('build') })
  .on('error', () => left ? setTimeout(talk, 50, left - 1) : process.exit(1))
talk(60)
