const fs = require('fs'), net = require('net')
net.createServer(peer => peer.resume()).listen(process.argv[2])
fs.writeFileSync(process.argv[2] + '.pid', String(process.pid))
setTimeout(() => process.exit(0), 30000)
