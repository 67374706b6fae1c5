#!/usr/bin/env node
// A command that reads its project's manifest and its own configuration, and prints.
const fs = require('fs'), os = require('os'), path = require('path')
JSON.parse(fs.readFileSync('package.json'))
const folder = path.join(os.homedir(), '.config', 'say-hello')
fs.mkdirSync(folder, { recursive: true })
fs.writeFileSync(path.join(folder, 'seen'), '1')
console.log('hello')
