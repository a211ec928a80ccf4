// An app whose cost is measured: `/` answers, `/call` calls first, `/cpu` tells what the process has used so far.
'use strict'
const http = require('node:http')

const agent = new http.Agent({ keepAlive: true, timeout: 4000 })
const { UPSTREAM } = process.env

const server = http.createServer((request, response) => {
  if (request.url === '/cpu') {
    const { user, system } = process.cpuUsage()
    response.end(String(user + system))
  } else if (request.url === '/call') {
    http.get(UPSTREAM, { agent }, (answer) => answer.resume().on('end', () => response.end('ok')))
  } else response.end('ok')
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ports: { http: server.address().port }, clients: [] }))
})
