// An ordinary company app: it answers who is calling on whose behalf, and asks the next service the same. It copies no
// header: that the user follows its calls is none of its business.
import { Agent, createServer, get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'

export interface AppAnswer {
  readonly service: string
  readonly path: string
  /** The subject of the assertion: a user, or the service account that calls. */
  readonly calledBy: string
  readonly onBehalfOf: string
  /** The accounts passed on the way here, by verified evidence. */
  readonly chain: string
  /** What the next service answered. */
  readonly next?: unknown
}

const { NAME = 'App', PORT, NEXT, HTTP_PROXY } = process.env
const agent = new Agent({ keepAlive: true, proxyEnv: { HTTP_PROXY } })

const server = createServer((request, response) => {
  answer(request).then(
    ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
    () => response.writeHead(502).end(),
  )
})
server.listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => server.close())

async function answer(request: IncomingMessage): Promise<{ status: number; body: string }> {
  const path = request.url ?? '/'
  const next = NEXT === undefined ? undefined : await ask(new URL(path, NEXT))
  const { headers } = request
  const chain = String(headers['x-onbehalf-chain'] ?? '')
  const seen = { service: NAME, path, calledBy: caller(headers), onBehalfOf: user(headers), chain }
  const whole: AppAnswer = next === undefined ? seen : { ...seen, next: next.answer }
  return { status: next?.status ?? 200, body: JSON.stringify(whole) }
}

function caller(headers: IncomingHttpHeaders): string {
  const token = headers['x-pomerium-jwt-assertion']
  return typeof token === 'string' ? (decodeJwt(token).sub ?? '') : ''
}

function user(headers: IncomingHttpHeaders): string {
  return String(
    headers['x-pomerium-original-user-email'] ?? headers['x-pomerium-authenticated-user-email'] ?? '',
  )
}

async function ask(url: URL): Promise<{ status: number; answer: unknown }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent }, resolve).on('error', reject)
  })
  return { status: response.statusCode ?? 502, answer: JSON.parse(await text(response)) }
}
