// Asks an app by HTTP as the kubelet does (pkg/probe/http): any certificate, redirects within the host, 200 to 399 is well.
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { HttpProbe } from '../../shared/config/app-probes.ts'
import { authorityOf, connectApp, type Asking } from './app-connection.ts'

/** What the app said to one request. */
interface Said {
  readonly status: number
  readonly location: string | undefined
}

interface Sent {
  /** That of the probe. */
  readonly port: number
  readonly url: URL
  /** As it stands in the request line. */
  readonly target: string
  readonly host: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
}

const maxRequests = 10
const maxBodyBytes = 10 * 1024
const switchingProtocols = 101
const redirects = new Set([301, 302, 303, 307, 308])
/** What Go writes itself, whatever a header says. */
const notSent = new Set(['host', 'content-length', 'transfer-encoding', 'trailer', 'connection'])

/** @returns why the app is not well; undefined where it is. @throws {Error} it cannot be asked. */
export async function askByHttp(probe: HttpProbe, asking: Asking): Promise<string | undefined> {
  let sent = firstRequest(probe, asking)
  const { hostname } = sent.url
  for (let made = 1; ; made++) {
    const { status, location } = await exchange(sent, asking, readBody)
    if (!redirects.has(status) || location === undefined) return whyNot(status)
    const url = URL.parse(location, sent.url)
    if (url === null) return 'the app redirects to what is no address'
    if (url.hostname !== hostname) return undefined
    if (!/^https?:$/.test(url.protocol)) return 'the app redirects to what is not HTTP'
    if (made === maxRequests) return `the app redirects ${maxRequests} times`
    const host = URL.canParse(location) ? url.host : sent.host
    sent = { ...sent, url, host, target: url.pathname + url.search }
  }
}

/**
 * As the kubelet asks for a hook (pkg/kubelet/lifecycle): whatever is answered, the hook has run; where HTTPS is
 * answered in clear text, HTTP is tried.
 * @throws {Error} it cannot be asked.
 */
export async function runHook(probe: HttpProbe, asking: Asking): Promise<undefined> {
  const sent = firstRequest(probe, asking)
  try {
    await exchange(sent, asking, async () => undefined)
  } catch (error) {
    if (!speaksClearText(error)) throw error
    const url = new URL(sent.url.href.replace(/^https/, 'http'))
    await exchange({ ...sent, url }, asking, async () => undefined)
  }
}

function whyNot(status: number): string | undefined {
  return status >= 200 && status < 400 ? undefined : `the app answered ${status}`
}

function firstRequest({ port, path, scheme, host, headers }: HttpProbe, asking: Asking): Sent {
  const authority = authorityOf(port, host === undefined || host === '' ? asking.podIp : host)
  const target = encodeTarget(path)
  const given = (name: string) => headers.find(([each]) => each.toLowerCase() === name)?.[1]
  const defaults = { 'User-Agent': asking.userAgent, Accept: '*/*' }
  const added = Object.entries(defaults).filter(([name]) => given(name.toLowerCase()) === undefined)
  const isSent = ([name, value]: readonly [string, string]) =>
    !notSent.has(name.toLowerCase()) && (value !== '' || !Object.hasOwn(defaults, name))
  return {
    port,
    url: new URL(`${scheme.toLowerCase()}://${authority}${target}`),
    target,
    host: given('host') || authority,
    headers: [...headers, ...added].filter(isSent).flat(),
  }
}

/** Without a fragment, and with nothing that ends a request line; all else byte for byte. */
function encodeTarget(path: string): string {
  const target = path
    .replace(/#.*$/s, '')
    .replaceAll(/[^\x21-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()))
  return target.startsWith('/') ? target : `/${target}`
}

async function exchange(
  { port: probed, url, target, host, headers }: Sent,
  asking: Asking,
  read: (response: IncomingMessage) => Promise<void>,
): Promise<Said> {
  const isTls = url.protocol === 'https:'
  const port = Number(url.port) || (isTls ? 443 : 80)
  const socket = await connectApp(port, asking, port === probed)
  try {
    const connection = isTls ? await secure(socket, url.hostname, asking.signal) : socket
    const request = httpRequest({
      createConnection: () => connection,
      path: target,
      headers: ['Host', host, ...headers, 'Connection', 'close'],
      setHost: false,
      insecureHTTPParser: false,
      signal: asking.signal,
    })
    const answered = answerTo(request)
    request.end()
    const response = await answered
    const { statusCode: status = 0, headers: given } = response
    if (status !== switchingProtocols) await read(response)
    return { status, location: given.location }
  } finally {
    socket.destroy()
  }
}

/** @throws {Error} there is none: what comes after one is of no interest. */
function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>()
  // Nobody asked for it, and the signal does not end a request that has become something else.
  request.once('upgrade', (response, socket) => {
    answered.resolve(response)
    socket.destroy()
  })
  request.once('response', answered.resolve)
  request.on('error', answered.reject)
  request.once('close', () => answered.reject(new Error('the app ended the connection')))
  return answered.promise
}

async function readBody(response: IncomingMessage): Promise<void> {
  let length = 0
  for await (const chunk of response) {
    length += (chunk as Buffer).length
    if (length > maxBodyBytes) return
  }
}

async function secure(socket: Socket, hostname: string, signal: AbortSignal): Promise<Socket> {
  const servername = isIP(hostname.replaceAll(/[[\]]/g, '')) === 0 ? hostname : ''
  // The kubelet verifies none: what is asked is whether the app lives, and nothing secret is said.
  const secured = connectTls({ socket, servername, rejectUnauthorized: false })
  secured.on('error', () => undefined)
  await once(secured, 'secureConnect', { signal })
  return secured
}

function speaksClearText(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
}
