// Asks an app by HTTP as the kubelet does (pkg/probe/http): any certificate, the version that the app chooses by ALPN,
// redirects within the host, 200 to 399 is well.
import type { HttpProbe } from '../../shared/config/app-probes.ts'
import { authorityOf, connectApp, type Asking } from './app-connection.ts'
import { exchangeHttp1, exchangeHttp2, secure, type ReadBody, type Said } from './app-exchange.ts'

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
/** By ALPN; hooks offer nothing, and are HTTP/1.1. */
const offered = ['h2', 'http/1.1']
const redirects = new Set([301, 302, 303, 307, 308])
/** What Go writes itself, whatever a header says. */
const notSent = new Set(['host', 'content-length', 'transfer-encoding', 'trailer', 'connection'])

/** @returns why the app is not well; undefined where it is. @throws {Error} it cannot be asked. */
export async function askByHttp(probe: HttpProbe, asking: Asking): Promise<string | undefined> {
  const end = await follow(firstRequest(probe, asking), (sent) => exchange(sent, asking, readBody, offered))
  return typeof end === 'number' ? whyNot(end) : end
}

/**
 * As the kubelet asks for a hook (pkg/kubelet/lifecycle): whatever is answered, and however that ends, the hook has run;
 * where HTTPS is answered in clear text, HTTP is tried.
 * @returns why it has not. @throws {Error} it cannot be asked.
 */
export async function runHook(probe: HttpProbe, asking: Asking): Promise<string | undefined> {
  const first = firstRequest(probe, asking)
  const ask = (sent: Sent) => exchange(sent, asking, (body) => readBody(body).catch(() => undefined))
  const end = await follow(first, ask).catch((error: unknown) => {
    if (!speaksClearText(error)) throw error
    return follow({ ...first, url: new URL(first.url.href.replace(/^https/, 'http')) }, ask)
  })
  return typeof end === 'number' ? undefined : end
}

/** @returns the last status; or why there is none: where the redirects lead. */
async function follow(first: Sent, ask: (sent: Sent) => Promise<Said>): Promise<number | string> {
  let sent = first
  const { hostname } = sent.url
  for (let made = 1; ; made++) {
    const { status, location } = await ask(sent)
    if (!redirects.has(status) || location === undefined) return status
    const url = URL.parse(location, sent.url)
    if (url === null) return 'the app redirects to what is no address'
    if (url.hostname !== hostname) return status
    if (!/^https?:$/.test(url.protocol)) return 'the app redirects to what is not HTTP'
    if (made === maxRequests) return `the app redirects ${maxRequests} times`
    const host = URL.canParse(location) ? url.host : sent.host
    sent = { ...sent, url, host, target: url.pathname + url.search }
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
  sent: Sent,
  asking: Asking,
  read: ReadBody,
  versions: readonly string[] = [],
): Promise<Said> {
  const { url, target: path, host } = sent
  const isTls = url.protocol === 'https:'
  const port = Number(url.port) || (isTls ? 443 : 80)
  const socket = await connectApp(port, asking, port === sent.port)
  try {
    const headers = ['Host', host, ...sent.headers]
    const request = { path, headers, signal: asking.signal }
    if (!isTls) return await exchangeHttp1(socket, request, read)
    const connection = await secure(socket, url.hostname, versions, asking.signal)
    const isHttp2 = connection.alpnProtocol === 'h2'
    return await (isHttp2 ? exchangeHttp2 : exchangeHttp1)(connection, request, read)
  } finally {
    socket.destroy()
  }
}

async function readBody(body: AsyncIterable<unknown>): Promise<void> {
  let length = 0
  for await (const chunk of body) {
    length += (chunk as Buffer).length
    if (length > maxBodyBytes) return
  }
}

function speaksClearText(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
}
