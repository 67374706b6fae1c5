module.exports = require('fs').readFileSync(__dirname + '/library', 'utf8')
