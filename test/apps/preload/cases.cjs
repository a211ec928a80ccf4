// An app of one route per special case: `/name?user=1` does what the name says, and its calls name the case and the user.
'use strict'
const childProcess = require('node:child_process')
const dgram = require('node:dgram')
const { EventEmitter, once } = require('node:events')
const http = require('node:http')
const http2 = require('node:http2')
const https = require('node:https')
const net = require('node:net')
const { text } = require('node:stream/consumers')
const { setTimeout: sleep } = require('node:timers/promises')
const { Worker } = require('node:worker_threads')
const axios = require('axios')
const DataLoader = require('dataloader')
const grpc = require('@grpc/grpc-js')

const { UPSTREAM, GRPC_UPSTREAM, SECURE_UPSTREAM, SECURE_GRPC_UPSTREAM, CA_PEM } = process.env
const [major, minor] = process.versions.node.split('.').map(Number)
const undici6 = require('undici6')
const undicis = { undici6 }
if (major >= 20) undicis.undici7 = require('undici7')
if (major > 22 || (major === 22 && minor >= 19)) undicis.undici8 = require('undici8')
// What is shared by all requests, and made by the first of them.
const shared = {}

const call = (path) =>
  new Promise((resolve, reject) => {
    http.get(UPSTREAM + path, (response) => response.resume().on('end', resolve)).on('error', reject)
  })
const answered = async (request) => {
  const [response] = await once(request, 'response')
  await text(response)
}
const bytes = (value) => value

/** Each is `(path, query, request, response)`; the path is where its calls go. */
const cases = {
  timers: async (path) => {
    await sleep(1)
    await call(`${path}/promise`)
    await new Promise((resolve) => {
      setTimeout(() => setImmediate(() => process.nextTick(() => resolve(call(`${path}/callback`)))), 1)
    })
  },

  interval: (path) =>
    new Promise((resolve) => {
      const timer = setInterval(() => {
        clearInterval(timer)
        resolve(call(path))
      }, 1)
    }),

  'after-response': async (path, query, request, response) => {
    response.end('early')
    await once(response, 'finish')
    await sleep(5)
    await call(path)
    shared.later.emit('done')
  },
  'wait-after-response': async () => {
    await once((shared.later = new EventEmitter()), 'done')
  },

  body: async (path, query, request, response) => {
    const calls = []
    const noting = (event) => () => calls.push(call(`${path}/${event}`))
    response.on('finish', noting('finish'))
    response.on('close', () =>
      Promise.all(calls.concat(call(`${path}/close`))).then(() => shared.closed.emit('closed')),
    )
    request.once('data', noting('data'))
    await new Promise((resolve) => {
      request.on('end', () => {
        noting('end')()
        resolve()
      })
    })
  },
  'wait-close': async () => {
    await once((shared.closed = new EventEmitter()), 'closed')
  },

  /** One call is under way, and the others wait in the Pool until it is given up. */
  abort: async (path, { copy, user }) => {
    const undici = undicis[copy]
    if (user === '0') shared.pool = new undici.Pool(UPSTREAM, { connections: 1 })
    const controller = new AbortController()
    const signal = user === '0' ? controller.signal : undefined
    const asked = shared.pool.request({ path: user === '0' ? `${path}?never` : path, method: 'GET', signal })
    shared.waiting = (shared.waiting ?? 0) + 1
    if (user !== '0') return (await asked).body.dump()
    while (shared.waiting < 8) await sleep(1)
    controller.abort()
    await asked.catch(() => undefined)
    await call(`${path}/after`)
  },

  /** A driver with callbacks, whose answers come by one connection. */
  socket: (path) =>
    new Promise((resolve) => {
      shared.callbacks ??= []
      shared.socket ??= openLines(shared.callbacks)
      shared.callbacks.push(() => resolve(call(path)))
      shared.socket.write('line\n')
    }),

  /** What one user starts for all, and answers each by a callback. */
  helpers: async (path) => {
    shared.helpers ??= startHelpers()
    const asked = Object.entries(shared.helpers).map(
      ([name, { waiting, say }]) =>
        new Promise((resolve) => {
          waiting.push(() => resolve(call(`${path}/${name}`)))
          say()
        }),
    )
    await Promise.all(asked)
  },
  'run-once': (path) =>
    new Promise((resolve) => {
      childProcess.execFile('true', () => resolve(call(path)))
    }),

  forget: async () => {
    delete shared.waiting
  },

  /** The next loads wait for each other, so that they fall into one batch. */
  'hold-loads': async (path, { count }) => {
    shared.held = { count: Number(count), go: new EventEmitter() }
  },
  loader: async (path, { key }) => {
    if (shared.held !== undefined) await holdLoad(shared.held)
    shared.loader ??= new DataLoader(async (keys) => {
      await call(`${path}/${keys.join('+')}`)
      return keys
    })
    await shared.loader.load(key)
    await call(`${path}/after`)
  },

  tls: async (path) => {
    const ca = CA_PEM
    await answered(https.get(SECURE_UPSTREAM + `${path}/https`, { ca }))
    await fetch(SECURE_UPSTREAM + `${path}/fetch`)
    for (const [name, { Agent, request }] of Object.entries(undicis)) {
      const dispatcher = new Agent({ connect: { ca }, allowH2: false })
      await (await request(SECURE_UPSTREAM + `${path}/${name}`, { dispatcher })).body.dump()
    }
    const client = new grpc.Client(SECURE_GRPC_UPSTREAM, grpc.credentials.createSsl(Buffer.from(CA_PEM)))
    await unary(client, `${path}/grpc`, new grpc.Metadata())
  },

  /** From the clear into TLS. */
  redirect: async (path) => {
    const target = encodeURIComponent(`${SECURE_UPSTREAM}${path}`)
    await axios.get(`${UPSTREAM}/redirecting?redirect=${target}/axios`, {
      httpsAgent: new https.Agent({ ca: CA_PEM }),
    })
    for (const [name, { Agent, interceptors, request }] of Object.entries(undicis)) {
      const dispatcher = new Agent({ connect: { ca: CA_PEM }, allowH2: false }).compose(
        interceptors.redirect({ maxRedirections: 1 }),
      )
      const { body } = await request(`${UPSTREAM}/redirecting?redirect=${target}/${name}`, { dispatcher })
      await body.dump()
    }
  },

  'fetch-redirect': async (path) => {
    const target = encodeURIComponent(`${SECURE_UPSTREAM}${path}`)
    await fetch(`${UPSTREAM}/fetch-redirecting?redirect=${target}/fetch`, { headers: { 'x-own': 'kept' } })
  },

  plain: (path) => call(path),

  explicit: async (path, { handle }) => {
    const headers = { 'X-Onbehalf-Handle': handle }
    const { hostname, port } = new URL(UPSTREAM)
    await answered(http.get(`${UPSTREAM}${path}/http`, { headers }))
    const pairs = Object.entries({ Host: 'upstream', ...headers })
    await answered(http.get(`${UPSTREAM}${path}/pairs`, { headers: pairs }))
    await answered(http.get({ hostname, port, path: `${path}/raw`, headers: pairs.flat() }))
    await fetch(`${UPSTREAM}${path}/fetch`, { headers })
    await fetch(new Request(`${UPSTREAM}${path}/request`, { headers }))
    for (const [name, { request }] of Object.entries(undicis)) {
      await (await request(`${UPSTREAM}${path}/${name}`, { headers })).body.dump()
      const flat = Object.entries(headers).flat()
      await (await request(`${UPSTREAM}${path}/${name}-raw`, { headers: flat })).body.dump()
    }
    const metadata = new grpc.Metadata()
    metadata.set('x-onbehalf-handle', handle)
    await unary(new grpc.Client(GRPC_UPSTREAM, grpc.credentials.createInsecure()), `${path}/grpc`, metadata)
  },

  /** Every form in which `http.request` takes its arguments; answers what became of the app's own objects. */
  forms: async (path) => {
    const { hostname, port } = new URL(UPSTREAM)
    const own = { 'X-Own': 'kept' }
    const options = { hostname, port, path: `${path}/options`, headers: own }
    const raw = ['Host', 'upstream', 'X-Own', 'kept']
    const asked = []
    const ask = (request) => asked.push(answered(request), void request.end())
    ask(http.request(options))
    ask(http.request(`${UPSTREAM}${path}/text`))
    ask(http.request(`${UPSTREAM}${path}/text-callback`, () => undefined))
    ask(http.request(new URL(`${UPSTREAM}${path}/url`)))
    ask(http.request(new URL(`${UPSTREAM}${path}/url-options`), { headers: own }))
    ask(http.request(`${UPSTREAM}${path}/undefined`, undefined, () => undefined))
    ask(http.request({ ...options, path: `${path}/raw`, headers: raw }))
    ask(
      http.request({
        ...options,
        path: `${path}/pairs`,
        headers: [['Host', 'upstream'], ...Object.entries(own)],
      }),
    )
    const expecting = http.request({
      ...options,
      path: `${path}/expect`,
      method: 'POST',
      headers: { ...own, Expect: '100-continue' },
    })
    expecting.on('continue', () => expecting.end('x'))
    asked.push(answered(expecting))
    await Promise.all(asked)
    return JSON.stringify({ own, raw, options: Object.keys(options) })
  },

  'fetch-forms': async (path) => {
    const headers = new Headers({ 'x-own': 'kept' })
    const init = Object.freeze({ headers })
    await fetch(`${UPSTREAM}${path}/text`)
    await fetch(new URL(`${UPSTREAM}${path}/url`), {})
    await fetch(`${UPSTREAM}${path}/headers`, init)
    await fetch(`${UPSTREAM}${path}/pairs`, { headers: [['x-own', 'kept']] })
    await fetch(new Request(`${UPSTREAM}${path}/request`, init))
    await fetch(new Request(`${UPSTREAM}${path}/request-init`), init)
    const post = { method: 'POST', body: 'x', headers }
    await fetch(`${UPSTREAM}${path}/request-as-init`, new Request(UPSTREAM, post))
    return JSON.stringify([...headers])
  },

  /** What it is made with may be used again. */
  'undici-forms': async (path) => {
    const seen = []
    for (const [name, undici] of Object.entries(undicis)) {
      const client = new undici.Pool(UPSTREAM)
      const headers = { 'x-own': 'kept' }
      const send = async (form, more) => {
        const options = { path: `${path}/${name}-${form}`, method: 'GET', ...more }
        await (await client.request(options)).body.dump()
        seen.push(...Object.keys(options.headers ?? {}), Object.getOwnPropertySymbols(options).length)
      }
      await send('none', {})
      await send('object', { headers })
      await send('raw', { headers: ['x-own', 'kept'] })
      await send('map', { headers: new Map([['x-own', 'kept']]) })
      await undici.fetch(`${UPSTREAM}${path}/${name}-fetch`, { headers, dispatcher: new undici.Agent() })
      await client.close()
    }
    return JSON.stringify(seen)
  },

  /** The upstream says once that it is unavailable. */
  retry: async (path) => {
    for (const [name, { Agent, RetryAgent, request }] of Object.entries(undicis)) {
      const dispatcher = new RetryAgent(new Agent(), { minTimeout: 1 })
      await (await request(`${UPSTREAM}${path}/${name}?unavailable`, { dispatcher })).body.dump()
    }
  },

  refused: (path) =>
    new Promise((resolve) => {
      // A connection on which Node makes this request wait belongs to nobody, and so does its failure.
      http.get('http://127.0.0.1:9/').on('error', () => resolve(call(path)))
    }),

  'not-by-http': async (path) => {
    const file = `\0onbehalf-${process.pid}`
    const seen = []
    const server = http.createServer((request, response) => {
      seen.push(request.headers['x-onbehalf-handle'] ?? null)
      response.end()
    })
    server.on('connect', (request, socket) => {
      seen.push(request.headers['x-onbehalf-handle'] ?? null)
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    })
    server.listen(file)
    await once(server, 'listening')
    await answered(http.get({ socketPath: file, path }))
    const tunnel = http.request({
      method: 'CONNECT',
      path: 'upstream:443',
      createConnection: () => net.connect(file),
    })
    tunnel.end()
    const [answer] = await once(tunnel, 'connect')
    answer.socket.destroy()
    server.close()
    return JSON.stringify(seen)
  },
}

/** Resolved for all of them in one turn. */
async function holdLoad(held) {
  const going = once(held.go, 'go')
  held.count -= 1
  if (held.count === 0) {
    delete shared.held
    held.go.emit('go')
  }
  await going
}

function unary(client, path, metadata) {
  metadata.set('x-path', path)
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest('/echo/Echo', bytes, bytes, Buffer.from('x'), metadata, (error) => {
      client.close()
      if (error) reject(error)
      else resolve()
    })
  })
}

const lines = net.createServer((peer) => peer.pipe(peer))

/** A connection to the server that sends every line back: each line answers the oldest callback. */
function openLines(callbacks) {
  const socket = net.connect(lines.address().port, '127.0.0.1')
  socket.on('data', (chunk) => {
    for (const byte of chunk) if (byte === 10) callbacks.shift()()
  })
  return socket
}

function helper() {
  const waiting = []
  return { waiting, answer: () => waiting.shift()() }
}

/** A worker, a child process, and a socket for datagrams: each gives back what it gets. */
function startHelpers() {
  const [worker, child, datagrams] = [helper(), helper(), helper()]
  const echo =
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))"
  const thread = new Worker(echo, { eval: true }).on('message', worker.answer)
  const cat = childProcess.spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  cat.stdout.on('data', (chunk) => chunk.forEach(child.answer))
  const socket = dgram.createSocket('udp4').on('message', datagrams.answer)
  const bound = new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const toItself = () => bound.then(() => socket.send('x', socket.address().port, '127.0.0.1'))
  return {
    worker: { ...worker, say: () => thread.postMessage('x', []) },
    child: { ...child, say: () => cat.stdin.write('x') },
    datagrams: { ...datagrams, say: () => void toItself() },
  }
}

async function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://app')
  const query = Object.fromEntries(searchParams)
  const name = pathname.slice(1)
  const path = `/${name}${query.user === undefined ? '' : `/${query.user}`}`
  try {
    const answer = await cases[name](path, query, request, response)
    if (!response.writableEnded) response.end(answer ?? 'done')
  } catch (error) {
    response.writeHead(500).end(String(error.stack))
  }
}

const plain = http.createServer((request, response) => void serve(request, response))
// An upgraded connection is its request's: each piece of data makes a call.
plain.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
  socket.on('data', (data) => void call(`/upgrade/${data}`).then(() => socket.write('called')))
})
const h2c = http2.createServer((request, response) => void serve(request, response))

async function main() {
  for (const server of [plain, h2c, lines]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const ports = { http: plain.address().port, h2c: h2c.address().port }
  console.log(JSON.stringify({ ports, clients: Object.keys(undicis) }))
}
void main()
