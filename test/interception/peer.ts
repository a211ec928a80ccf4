// A process in a pod: serves and calls what its parent tells it to. Runs under another user, so it stands alone.
import { once } from 'node:events'
import { createServer as createHttp, request as requestHttp, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, createServer as createTcp, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls'

export interface Received {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  /** Where it came in. */
  readonly port: number
}

export interface Answer {
  readonly status: number
  /** `x-onbehalf-error`, or empty. */
  readonly code: string
  readonly proxyAuthenticate: string | undefined
  readonly body: string
}

export interface Ask {
  readonly address: string
  readonly port: number
  /** Names and values in turn; `Host` among them, or the address. */
  readonly headers?: readonly string[]
  readonly target?: string
  /** In HTTP/2: whether in TLS. */
  readonly isTls?: boolean
}

export interface Talk {
  readonly address: string
  readonly port: number
  /** Sent one after the other, each in a packet of its own. */
  readonly parts?: readonly string[]
  /** How long it is silent first. */
  readonly silentMs?: number
  /** Waits for the server to say something before it says anything. */
  readonly isPolite?: boolean
  /** Said when it has heard something. */
  readonly answer?: string
  /** Ends its side after the last part. */
  readonly endsFirst?: boolean
  /** Leaves when it has heard so many bytes. */
  readonly enough?: number
}

export interface Told {
  readonly heard: string
  /** `end`, an error's code, or `left` where it had enough. */
  readonly ended: string
}

export interface TlsAsk {
  readonly address: string
  readonly port: number
  readonly servername: string
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

export interface TlsTold {
  readonly serverFingerprint: string
  /** That of the client, as the server saw it. */
  readonly heard: string
}

const received: Received[] = []
/** By port. */
const accepted: Record<number, number> = {}
const servers = new Map<number, Server>()
const deadlineMs = 15_000

async function listen(server: Server, port: number): Promise<void> {
  accepted[port] = 0
  servers.set(port, server)
  server.on('connection', () => (accepted[port] = (accepted[port] ?? 0) + 1))
  server.listen(port, '::')
  await once(server, 'listening')
}

/** Says what it got; or, at `/call`, calls `url` as an app does that copies the handle. */
function serveApp(port: number): Promise<void> {
  const server = createHttp((request, response) => {
    const { method = '', url = '', rawHeaders, headers } = request
    received.push({ method, url, rawHeaders, port })
    const called = new URL(url, 'http://app/').searchParams.get('call')
    if (called === null) {
      if (rawHeaders.includes('refuse'))
        response.writeHead(407, { 'Proxy-Authenticate': 'Basic realm="other"' })
      response.end('served')
      return
    }
    const handle = headers['x-onbehalf-handle']
    callUrl(called, typeof handle === 'string' ? ['x-onbehalf-handle', handle] : []).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: NodeJS.ErrnoException) => response.writeHead(599).end(error.code),
    )
  })
  return listen(server, port)
}

/** The name is resolved as ever: there is no proxy setting. */
async function callUrl(url: string, headers: readonly string[]): Promise<Answer> {
  const { hostname, port, host, pathname } = new URL(url)
  const options = { host: hostname.replaceAll(/[[\]]/g, ''), port: port || 80, path: pathname }
  const request = requestHttp({ ...options, headers: ['Host', host, ...headers], agent: false })
  return answerTo(request.end())
}

async function ask({ address, port, headers = ['Host', 'test'], target = '/' }: Ask): Promise<Answer> {
  const options = { host: address, port, path: target, headers: [...headers], agent: false, setHost: false }
  return answerTo(requestHttp({ ...options, signal: AbortSignal.timeout(deadlineMs) }).end())
}

/** The same in HTTP/2, with prior knowledge or in TLS. */
async function askHttp2(asked: Ask): Promise<Answer> {
  const { address, port, headers = ['host', 'test'], target = '/', isTls = false } = asked
  const origin = `${address.includes(':') ? `[${address}]` : address}:${port}`
  const session = isTls
    ? connectHttp2(`https://${origin}`, { rejectUnauthorized: false })
    : connectHttp2(`http://${origin}`)
  session.on('error', () => undefined)
  session.setTimeout(deadlineMs, () => session.destroy())
  const pseudo = [':method', 'GET', ':scheme', isTls ? 'https' : 'http', ':path', target]
  const fields = headers.map((field, i) =>
    i % 2 === 0 ? field.toLowerCase().replace(/^host$/, ':authority') : field,
  )
  const stream = session.request([...pseudo, ...fields])
  const [head] = await once(stream, 'response')
  const body = await text(stream)
  session.destroy()
  const code = String(head['x-onbehalf-error'] ?? '')
  return { status: Number(head[':status']), code, proxyAuthenticate: undefined, body }
}

async function answerTo(request: ReturnType<typeof requestHttp>): Promise<Answer> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const code = String(response.headers['x-onbehalf-error'] ?? '')
  const proxyAuthenticate = response.headers['proxy-authenticate']?.toString()
  return { status: response.statusCode ?? 0, code, proxyAuthenticate, body: await text(response) }
}

/** Gives everything back, and ends when the other side has. */
function serveEcho(port: number): Promise<void> {
  return listen(
    createTcp({ allowHalfOpen: true }, (socket) => quietly(socket).pipe(socket)),
    port,
  )
}

/** Speaks first, as SMTP and MySQL do; then echoes. */
function serveGreeting(port: number): Promise<void> {
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    quietly(socket).write('220 welcome\r\n')
    socket.pipe(socket)
  })
  return listen(server, port)
}

/** Resets what has said something. */
function serveReset(port: number): Promise<void> {
  const server = createTcp((socket) => quietly(socket).once('data', () => socket.resetAndDestroy()))
  return listen(server, port)
}

function serveTls(port: number, ca: string, certificate: string, key: string): Promise<void> {
  const options = { ca, cert: certificate, key, requestCert: true, rejectUnauthorized: true }
  const server = createTls(options, (socket) => {
    quietly(socket).end(socket.getPeerCertificate().fingerprint256)
  })
  server.on('tlsClientError', () => undefined)
  return listen(server, port)
}

async function askTls({ address, port, servername, ca, certificate, key }: TlsAsk): Promise<TlsTold> {
  const options = { host: address, port, servername, ca, cert: certificate, key }
  const socket: TLSSocket = connectTls(options)
  socket.setTimeout(deadlineMs, () => socket.destroy(new Error('too late')))
  await once(socket, 'secureConnect')
  const serverFingerprint = socket.getPeerCertificate().fingerprint256
  return { serverFingerprint, heard: await text(socket) }
}

function quietly<T extends Socket>(socket: T): T {
  socket.on('error', () => undefined)
  return socket
}

async function talk(how: Talk): Promise<Told> {
  const { address, port, parts = [], silentMs = 0, isPolite = false, endsFirst = false, enough } = how
  const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true })
  const { promise, resolve } = Promise.withResolvers<Told>()
  let heard = ''
  const finish = (ended: string) => {
    clearTimeout(timer)
    resolve({ heard, ended })
    socket.destroy()
  }
  const timer = setTimeout(() => finish('too late'), deadlineMs)
  socket.setEncoding('latin1')
  socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? ''))
  socket.on('end', () => finish('end'))
  const first = once(socket, 'data')
  first.catch(() => undefined)
  socket.on('data', (part: string) => {
    heard += part
    if (enough !== undefined && heard.length >= enough) finish('left')
  })
  const speak = async () => {
    await once(socket, 'connect')
    if (silentMs > 0) await pause(silentMs)
    if (isPolite) await first
    for (const part of parts) {
      socket.write(part, 'latin1')
      // Packets of their own: what is to be seen is what comes of each.
      if (parts.length > 1) await pause(2)
    }
    if (how.answer !== undefined) {
      await first
      socket.write(how.answer, 'latin1')
    }
    if (endsFirst) socket.end()
  }
  speak().catch(() => undefined)
  return promise
}

const orders = {
  serveApp,
  serveEcho,
  serveGreeting,
  serveReset,
  serveTls,
  ask,
  askHttp2,
  askTls,
  talk,
  received: async () => received.splice(0),
  accepted: async (port: number) => accepted[port],
  /** How many connections are open. */
  open: (port: number) =>
    new Promise<number>((resolve) => servers.get(port)?.getConnections((_, count) => resolve(count))),
}

/** What a peer can be told to do. */
export type Orders = typeof orders

interface Order {
  readonly id: number
  readonly what: keyof Orders
  readonly with: readonly unknown[]
}

process.on('message', (order: Order) => {
  const act = orders[order.what] as (...given: readonly unknown[]) => Promise<unknown>
  act(...order.with).then(
    (result) => process.send?.({ id: order.id, result }),
    (error: NodeJS.ErrnoException) => process.send?.({ id: order.id, failure: error.code ?? error.message }),
  )
})
process.send?.({ id: 0 })
