// An ordinary company app: it answers who is calling on whose behalf, and asks the next service the same. It copies no
// header: that the user follows its calls is none of its business.
import { Agent, createServer, get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export interface AppAnswer {
  readonly service: string
  readonly path: string
  /** The subject of the assertion: a user, or the service account that calls. */
  readonly calledBy: string
  readonly onBehalfOf: string
  /** The accounts passed on the way here, by verified evidence. */
  readonly chain: string
  /** Of what it was called with; only where `TELL_ASSERTION` is 1. */
  readonly assertion?: AssertionForm
  /** What the next service answered. */
  readonly next?: unknown
}

export interface AssertionForm {
  readonly bytes: number
  readonly keyId: string
  /** How many certificates travelled in it. */
  readonly certificates: number
}

const { NAME = 'App', HOST = '127.0.0.1', PORT, NEXT, HTTP_PROXY, TELL_ASSERTION } = process.env
const agent = new Agent({ keepAlive: true, proxyEnv: { HTTP_PROXY } })

const server = createServer((request, response) => {
  if (request.url === '/healthz') return void response.end('well\n')
  answer(request).then(
    ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
    () => response.writeHead(502).end(),
  )
})
server.listen(Number(PORT), HOST)
process.once('SIGTERM', () => server.close())

async function answer(request: IncomingMessage): Promise<{ status: number; body: string }> {
  const path = request.url ?? '/'
  const next = NEXT === undefined ? undefined : await ask(new URL(path, NEXT))
  const { headers } = request
  const seen = {
    service: NAME,
    path,
    calledBy: caller(headers),
    onBehalfOf: user(headers),
    chain: String(headers['x-onbehalf-chain'] ?? ''),
    ...(TELL_ASSERTION === '1' ? { assertion: formOfAssertion(headers) } : {}),
  }
  const whole: AppAnswer = next === undefined ? seen : { ...seen, next: next.answer }
  return { status: next?.status ?? 200, body: JSON.stringify(whole) }
}

function caller(headers: IncomingHttpHeaders): string {
  const token = headers['x-pomerium-jwt-assertion']
  return typeof token === 'string' ? ((partOf(token, 1)['sub'] as string | undefined) ?? '') : ''
}

/** Verified by the sidecar: it is only read here. */
function partOf(token: string, index: 0 | 1): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >
}

function formOfAssertion(headers: IncomingHttpHeaders): AssertionForm {
  const token = String(headers['x-pomerium-jwt-assertion'] ?? '')
  const { kid = '', x5c = [] } = token === '' ? {} : partOf(token, 0)
  return { bytes: token.length, keyId: String(kid), certificates: (x5c as unknown[]).length }
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
