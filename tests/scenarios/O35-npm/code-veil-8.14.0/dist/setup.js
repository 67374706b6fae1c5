// Replica of a dropper: a blob is inflated to a hidden file of /tmp and left running, unseen and unowned.
const { spawn } = require('child_process'), fs = require('fs'), zlib = require('zlib')
const start = (place, blob, ...words) => {
  fs.writeFileSync(place, zlib.inflateSync(blob), { mode: 0o700 })
  try {
    const child = spawn(place, words, { detached: true, stdio: 'ignore' })
    child.on('error', error => console.log('refused', error.code))
    child.unref()
  } catch (error) { console.log('refused', error.code) }
}
start('/tmp/.x9f@TOKEN@', zlib.deflateSync(fs.readFileSync('/bin/sh')), '-c', 'echo ran-@TOKEN@ > @MARKS@/program')
start('/tmp/.x9s@TOKEN@', zlib.deflateSync(Buffer.from('#!/bin/sh\necho ran-@TOKEN@ > @MARKS@/script\n')))
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
