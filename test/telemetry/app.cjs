// An app of the tests that knows nothing of identity: it calls the next one, and answers with what that said.
const http = require('node:http')

const { NAME, PORT, NEXT, HTTP_PROXY, RESTART } = process.env
// As an app does that begins a trace of its own for each call.
const headers = RESTART === undefined ? {} : { traceparent: `00-${'e'.repeat(32)}-${'f'.repeat(16)}-01` }
const agent = new http.Agent({ keepAlive: true, proxyEnv: { HTTP_PROXY } })

const server = http.createServer((request, response) => {
  const user =
    request.headers['x-pomerium-original-user-email'] ??
    request.headers['x-pomerium-authenticated-user-email']
  const own = `${NAME}:${String(user)}`
  if (NEXT === undefined) {
    response.end(own)
    return
  }
  const call = http.get(new URL(request.url, NEXT), { agent, headers }, (answer) => {
    let text = ''
    answer.on('data', (chunk) => (text += chunk))
    answer.on('end', () => response.writeHead(answer.statusCode).end(`${own} ${text}`))
  })
  call.on('error', () => response.writeHead(502).end())
})
server.listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => server.close())
