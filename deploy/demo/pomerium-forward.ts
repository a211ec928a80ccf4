// Carries one request of the stand-in to its upstream and the answer back, streaming both bodies.
import { request as httpRequest, type Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection'])

/** `headers` are names and values in turn, `Host` among them. */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: URL,
  headers: readonly string[],
  agent: Agent,
): void {
  const { hostname, port } = upstream
  const { method, url: path } = request
  const outgoing = httpRequest({ agent, hostname, port, method, path, headers: [...headers] })

  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders))
    pipeline(answer, response, () => outgoing.destroy())
  })
  outgoing.on('error', () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(503, { 'content-type': 'text/plain' }).end('upstream connect error\n')
  })
  response.on('close', () => {
    if (!response.writableFinished) outgoing.destroy()
  })
  // Its outcome shows on `outgoing` and `response`.
  pipeline(request, outgoing, () => {})
}

function endToEnd(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, i) => !hopByHop.has((rawHeaders[i - (i % 2)] as string).toLowerCase()))
}
