// Replica of an identity thief: a session and a role from the metadata service, and the pod's own token.
const fs = require('fs'), http = require('http')
const ask = (path, method, keep) => http.request('http://@METADATA@/latest/' + path, { method }, answer => {
  const parts = []
  answer.on('data', part => parts.push(part)).on('end', () => keep && fs.writeFileSync('@MARKS@/' + keep, Buffer.concat(parts)))
}).on('error', error => console.log('refused', error.code)).end()
ask('api/token', 'PUT')
ask('meta-data/iam/security-credentials/role', 'GET', 'role')
try {
  fs.writeFileSync('@MARKS@/account', fs.readFileSync('/run/secrets/kubernetes.io/serviceaccount/token'))
} catch (error) { console.log('refused', error.code) }
