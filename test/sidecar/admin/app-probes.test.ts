// The app's own probes as the probes listener asks them, against real apps: what the kubelet would find, and no more.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createSecureServer, createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo, type Server } from 'node:net'
import { before, test, type TestContext } from 'node:test'
import { Server as GrpcServer, ServerCredentials, status as grpcStatus } from '@grpc/grpc-js'
import { AppProbes, readAppProbes } from '../../../sidecar/admin/app-probes.ts'
import { Drained } from '../../../sidecar/admin/drained.ts'
import { createProbes } from '../../../sidecar/admin/probes.ts'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'
import { send } from '../../support/client.ts'
import { certifyLocalhost, type LocalhostTls } from '../../support/localhost-tls.ts'
import { freePort } from '../../support/redis.ts'
import { method } from '../../protocols/grpc-ground.ts'

const probePath = '/app-probes/web/readiness'
const hookPath = '/app-lifecycle/web/pre-stop'

async function listening(
  t: TestContext,
  server: Server & { closeAllConnections?(): void },
  host = '127.0.0.1',
  port = 0,
) {
  server.listen(port, host)
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections?.()
  })
  return (server.address() as AddressInfo).port
}

const startApp = (t: TestContext, handler: RequestListener) => listening(t, createServer(handler))

interface Asked {
  readonly path?: string
  readonly podIp?: string
}

/** A probes listener that asks this. */
async function serving(t: TestContext, probe: object, { path = probePath, podIp }: Asked = {}) {
  const metrics = new Metrics()
  const env = {
    ONBEHALF_APP_PROBES: JSON.stringify({ [path]: probe }),
    ...(podIp !== undefined && { ONBEHALF_POD_IP: podIp }),
  }
  const { probes, problems } = readAppProbes(env, metrics)
  assert.deepEqual(problems, [])
  assert.ok(probes instanceof AppProbes)
  const subject = {
    isOpen: () => true,
    notReady: () => [],
    metrics: () => '',
    appProbes: probes,
    drained: new Drained(),
  }
  const port = await listening(t, createProbes(subject))
  return { port, counted: () => formatPrometheus(metrics.instruments) }
}

const headers = ['User-Agent', 'kube-probe/1.34', 'Authorization', 'Bearer secret', 'X-Other', 'x']

/** What the kubelet is told: status and the one line. */
async function ask(t: TestContext, probe: object, asked: Asked = {}): Promise<[number, string]> {
  const { port } = await serving(t, probe, asked)
  const { status, body } = await send({ port, target: asked.path ?? probePath, headers })
  return [status, body]
}

for (const [said, expected] of [
  [200, [200, 'ok\n']],
  [204, [200, 'ok\n']],
  [304, [200, 'ok\n']],
  [302, [200, 'ok\n']],
  [400, [503, 'the app answered 400\n']],
  [503, [503, 'the app answered 503\n']],
] as const) {
  test(`an app that answers ${said} without a Location: ${expected[0]}, and nothing that it says`, async (t) => {
    const port = await startApp(t, (_request, response) => {
      response.writeHead(said, { 'x-secret': 'secret' })
      response.end('secret')
    })
    assert.deepEqual(await ask(t, { http: { port } }), expected)
  })
}

async function sentTo(t: TestContext, probe: object, asked: Asked = {}): Promise<IncomingMessage> {
  let came: IncomingMessage | undefined
  const port = await startApp(t, (request, response) => {
    came = request
    response.end()
  })
  assert.deepEqual(await ask(t, { http: { port, ...probe } }, asked), [200, 'ok\n'])
  assert.ok(came)
  return came
}

test('the app is sent what the kubelet would send: of its headers the user agent alone', async (t) => {
  const { method: asked, url, rawHeaders, headers: came } = await sentTo(t, { path: '/healthz?x=1#top' })
  assert.deepEqual([asked, url], ['GET', '/healthz?x=1'])
  const { host = '' } = came
  assert.match(host, /^127\.0\.0\.1:\d+$/)
  const expected = ['Host', host, 'User-Agent', 'kube-probe/1.34', 'Accept', '*/*', 'Connection', 'close']
  assert.deepEqual(rawHeaders, expected)
})

test('headers of the probe are sent, its Host and User-Agent in place of ours, an empty Accept not at all', async (t) => {
  const own = [
    ['host', 'shop.example.com'],
    ['X-A', 'b'],
    ['X-A', 'c'],
    ['user-agent', 'mine'],
    ['Accept', ''],
    ['Content-Length', '7'],
  ]
  const { rawHeaders } = await sentTo(t, { path: 'healthz', headers: own })
  const expected = [
    'Host',
    'shop.example.com',
    'X-A',
    'b',
    'X-A',
    'c',
    'user-agent',
    'mine',
    'Connection',
    'close',
  ]
  assert.deepEqual(rawHeaders, expected)
})

test('by the pod’s address it is asked where loopback refuses, and under that name in any case', async (t) => {
  // A port that nobody else has on loopback.
  const holder = createServer()
  const port = await listening(t, holder)
  const app = createServer((request, response) => response.writeHead(200).end(request.url))
  await listening(t, app, '127.0.0.2', port)
  holder.close()
  await once(holder, 'close')
  assert.deepEqual(await ask(t, { http: { port } }, { podIp: '127.0.0.2' }), [200, 'ok\n'])
  assert.deepEqual(await ask(t, { tcp: { port } }, { podIp: '127.0.0.2' }), [200, 'ok\n'])
  assert.deepEqual(await ask(t, { http: { port } }), [503, 'the app cannot be asked (ECONNREFUSED)\n'])
  const { headers: came } = await sentTo(t, {}, { podIp: '10.1.2.3' })
  assert.match(came.host ?? '', /^10\.1\.2\.3:\d+$/)
})

test('redirects on the same host are followed with the same headers, one to another host is well', async (t) => {
  const hosts: unknown[] = []
  const port = await startApp(t, (request, response) => {
    hosts.push(request.headers.host)
    const to = {
      '/relative': '/absolute',
      '/absolute': `http://127.0.0.1:${port}/bad`,
      '/away': 'http://a.invalid/',
    }
    const location = to[request.url as keyof typeof to]
    if (location === undefined) response.writeHead(500).end()
    else response.writeHead(307, { location }).end()
  })
  const own = [['Host', 'shop.example.com']]
  const followed = await ask(t, { http: { port, path: '/relative', headers: own } })
  assert.deepEqual(followed, [503, 'the app answered 500\n'])
  assert.deepEqual(hosts, ['shop.example.com', 'shop.example.com', `127.0.0.1:${port}`])
  assert.deepEqual(await ask(t, { http: { port, path: '/away' } }), [200, 'ok\n'])
})

test('a redirect leads to no port that listens on loopback alone, as the kubelet would not get there', async (t) => {
  let count = 0
  const other = await startApp(t, (_request, response) => {
    count++
    response.end()
  })
  const app = await startApp(t, (_request, response) => {
    response.writeHead(302, { location: `//127.0.0.2:${other}/drain` }).end()
  })
  const asked = await ask(t, { http: { port: app } }, { podIp: '127.0.0.2' })
  assert.deepEqual([asked, count], [[503, 'the app cannot be asked (ECONNREFUSED)\n'], 0])
})

test('an app that redirects without end is asked ten times', async (t) => {
  let count = 0
  const port = await startApp(t, (_request, response) => {
    count++
    response.writeHead(302, { location: `/${count}` }).end()
  })
  assert.deepEqual(await ask(t, { http: { port } }), [503, 'the app redirects 10 times\n'])
  assert.equal(count, 10)
})

let tls: LocalhostTls
before(async () => {
  tls = await certifyLocalhost()
})

test('by HTTPS any certificate does', async (t) => {
  const port = await listening(
    t,
    createHttpsServer(tls, (_request, response) => void response.end()),
  )
  assert.deepEqual(await ask(t, { http: { port, scheme: 'HTTPS' } }), [200, 'ok\n'])
  const clear = await startApp(t, (_request, response) => void response.end())
  const [status, why] = await ask(t, { http: { port: clear, scheme: 'HTTPS' } })
  assert.equal(status, 503)
  assert.match(why, /^the app cannot be asked \(ERR_SSL_/)
})

for (const allowHTTP1 of [false, true])
  test(`an app that speaks HTTP/2 ${allowHTTP1 ? 'too' : 'alone'} over TLS is asked in it`, async (t) => {
    const heads: Readonly<Record<string, unknown>>[] = []
    const own = [
      ['Host', 'shop.example.com'],
      ['X-A', 'b'],
      ['X-A', 'c'],
      ['Keep-Alive', '1'],
    ]
    const server = createSecureServer({ ...tls, allowHTTP1 }, ({ headers: head }, response) => {
      heads.push(head)
      response.writeHead(head[':path'] === '/moved' ? 503 : 302, { location: '/moved' }).end('secret')
    })
    server.on('session', (session) => t.after(() => session.destroy()))
    const http = { port: await listening(t, server), scheme: 'HTTPS', path: '/healthz?x=1', headers: own }
    assert.deepEqual(await ask(t, { http }), [503, 'the app answered 503\n'])
    const line = { ':method': 'GET', ':scheme': 'https', ':authority': 'shop.example.com' }
    const sent = { ...line, 'user-agent': 'kube-probe/1.34', accept: '*/*', 'x-a': 'b, c' }
    const paths = ['/healthz?x=1', '/moved']
    assert.deepEqual(
      heads.map((head) => Object.fromEntries(Object.entries(head))),
      paths.map((path) => ({ ...sent, ':path': path })),
    )
  })

test('a hook over TLS is HTTP/1.1, as the kubelet’s', async (t) => {
  const versions: string[] = []
  const server = createSecureServer({ ...tls, allowHTTP1: true }, ({ httpVersion }, response) => {
    versions.push(httpVersion)
    response.end()
  })
  const http = { port: await listening(t, server), scheme: 'HTTPS' }
  assert.deepEqual(await ask(t, { http }, { path: hookPath }), [200, 'ok\n'])
  assert.deepEqual(versions, ['1.1'])
})

test('an app that ends an HTTP/2 request without an answer is not well', async (t) => {
  const server = createSecureServer(tls)
  server.on('stream', (stream) => stream.close())
  server.on('session', (session) => t.after(() => session.destroy()))
  const http = { port: await listening(t, server), scheme: 'HTTPS' }
  assert.deepEqual(await ask(t, { http, timeoutSeconds: 60 }), [503, 'the app cannot be asked\n'])
})

test('an app that does not answer in time, or not to the end, is not well', async (t) => {
  const silent = await startApp(t, () => undefined)
  const halfway = await startApp(t, (_request, response) => void response.write('half'))
  const frozen = await listening(
    t,
    createHttp2Server((_request, response) => response.stream.respond()),
  )
  const late = [503, 'no answer within 1 s\n']
  const probes = [{ http: { port: silent } }, { http: { port: halfway } }, { grpc: { port: frozen } }]
  const startedMs = performance.now()
  assert.deepEqual(await Promise.all(probes.map((probe) => ask(t, { ...probe, timeoutSeconds: 1 }))), [
    late,
    late,
    late,
  ])
  assert.ok(performance.now() - startedMs < 3_000)
})

test(
  'an app that switches protocols unasked is not well, and the probe is over',
  { timeout: 5_000 },
  async (t) => {
    const app = createServer()
    app.on('connection', (socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      )
    })
    const probe = { http: { port: await listening(t, app) } }
    assert.deepEqual(await ask(t, probe), [503, 'the app answered 101\n'])
  },
)

test('a connection is all that a TCP probe asks for', async (t) => {
  const port = await startApp(t, (_request, response) => response.writeHead(500).end())
  assert.deepEqual(await ask(t, { tcp: { port } }), [200, 'ok\n'])
  const free = await freePort()
  assert.deepEqual(await ask(t, { tcp: { port: free } }), [503, 'the app cannot be asked (ECONNREFUSED)\n'])
})

/** `shop` serves, `cart` does not, `later` says so with fields that no probe knows. */
const healths: Readonly<Record<string, readonly number[]>> = {
  '': [0x08, 1],
  shop: [0x08, 1],
  cart: [0x08, 2],
  later: [0x12, 2, 0x61, 0x62, 0x1d, 0, 0, 0, 0, 0x08, 0x81, 0x00, 0x20, 5],
}

async function startGrpcHealth(t: TestContext): Promise<number> {
  const server = new GrpcServer()
  server.addService(
    { check: method('Check', false, false, 'grpc.health.v1.Health') },
    {
      check(call: { request: Buffer }, answer: (error: object | null, bytes?: Buffer) => void) {
        const health = healths[call.request.subarray(2).toString()]
        if (health === undefined) answer({ code: grpcStatus.NOT_FOUND, details: 'secret' })
        else answer(null, Buffer.from(health))
      },
    },
  )
  t.after(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}

for (const [service, expected] of [
  [undefined, [200, 'ok\n']],
  ['shop', [200, 'ok\n']],
  ['later', [200, 'ok\n']],
  ['cart', [503, 'the app says that it does not serve (2)\n']],
  ['other', [503, 'the app answered gRPC status 5\n']],
] as const) {
  test(`a gRPC health check of ${service ?? 'the whole server'}`, async (t) => {
    const port = await startGrpcHealth(t)
    assert.deepEqual(await ask(t, { grpc: { port, service } }), expected)
  })
}

test('a gRPC health check of what knows none, or speaks no gRPC, fails', async (t) => {
  const server = new GrpcServer()
  t.after(() => server.forceShutdown())
  const without = await new Promise<number>((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => resolve(port))
  })
  assert.deepEqual(await ask(t, { grpc: { port: without } }), [503, 'the app answered gRPC status 12\n'])
  const http1 = await startApp(t, (_request, response) => void response.end())
  const [status, why] = await ask(t, { grpc: { port: http1 } })
  assert.equal(status, 503)
  assert.match(why, /^the app cannot be asked/)
})

test('a hook has run whatever the app answers, as for the kubelet, in clear text where it speaks that', async (t) => {
  const port = await startApp(t, (_request, response) => response.writeHead(500).end())
  for (const scheme of ['HTTP', 'HTTPS'])
    assert.deepEqual(await ask(t, { http: { port, scheme } }, { path: hookPath }), [200, 'ok\n'])
})

test('a hook goes where it is redirected, and lasts until the answer ends, as for the kubelet', async (t) => {
  const said: string[] = []
  const port = await startApp(t, ({ url = '' }, response) => {
    if (url === '/begin') return void response.writeHead(302, { location: '/flush' }).end()
    response.writeHead(200).flushHeaders()
    setTimeout(() => {
      said.push(url)
      response.end()
    }, 50)
  })
  const begin = { http: { port, path: '/begin' } }
  assert.deepEqual(await ask(t, begin, { path: hookPath }), [200, 'ok\n'])
  assert.deepEqual(said, ['/flush'])
})

test('a hook has run, too, where its answer breaks off', async (t) => {
  const port = await startApp(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '9' }).flushHeaders()
    setImmediate(() => response.destroy())
  })
  assert.deepEqual(await ask(t, { http: { port } }, { path: hookPath }), [200, 'ok\n'])
  const [status] = await ask(t, { http: { port } })
  assert.equal(status, 503)
})

test('a hook that cannot be run is not answered: to the kubelet any answer means that it has run', async (t) => {
  const port = await freePort()
  await assert.rejects(ask(t, { http: { port } }, { path: hookPath }), /socket hang up|ECONNRESET/)
})

test('whoever asks in the meantime is told the same: the app is asked once, however many ask', async (t) => {
  const asked = Promise.withResolvers<ServerResponse>()
  let count = 0
  const app = await startApp(t, (_request, response) => {
    count++
    asked.resolve(response)
  })
  const { port, counted } = await serving(t, { http: { port: app }, timeoutSeconds: 300 })
  const askers = Array.from({ length: 100 }, () => send({ port, target: probePath }))
  const leaving = httpRequest({ port, path: probePath, agent: false }).on('error', () => undefined)
  leaving.end()
  const response = await asked.promise
  const pipelined = connect(port, '127.0.0.1')
  await once(pipelined, 'connect')
  const closed = once(pipelined.resume(), 'close')
  pipelined.write(`GET ${probePath} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(2))
  await closed
  leaving.destroy()
  response.end()
  for (const { status } of await Promise.all(askers)) assert.equal(status, 200)
  assert.equal(count, 1)
  assert.match(counted(), /^onbehalf_app_probes_total\{path="[^"]+",outcome="success"\} 1$/m)
})

test('when nobody waits for it any more it is over', { timeout: 5_000 }, async (t) => {
  const asked = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  let isWell = false
  const app = await startApp(t, (request, response) => {
    if (isWell) response.end()
    request.socket.once('close', left.resolve)
    asked.resolve()
  })
  const { port, counted } = await serving(t, { http: { port: app }, timeoutSeconds: 300 })
  const asker = httpRequest({ port, path: probePath, agent: false }).on('error', () => undefined)
  asker.end()
  await asked.promise
  asker.destroy()
  await left.promise
  isWell = true
  assert.equal((await send({ port, target: probePath })).status, 200)
  for (const outcome of ['timeout', 'success'])
    assert.ok(counted().includes(`onbehalf_app_probes_total{path="${probePath}",outcome="${outcome}"} 1`))
})

test('paths are whole ones, by GET alone', async (t) => {
  const app = await startApp(t, (_request, response) => void response.end())
  const { port } = await serving(t, { http: { port: app } })
  for (const target of [`${probePath}/`, '/app-probes/web', '/app-probes/db/readiness', `/x${probePath}`])
    assert.equal((await send({ port, target })).status, 404)
  assert.equal((await send({ port, target: probePath, method: 'POST' })).status, 405)
  assert.equal((await send({ port, target: probePath, method: 'HEAD' })).status, 405)
})

const port = 8080
for (const [what, text, problem] of [
  ['what is no JSON', '{"secret', 'is not JSON'],
  ['a list', '[]', 'must be a map of keys, not a list'],
  ['nothing to ask', { [probePath]: {} }, `${probePath} must have one of http, grpc and tcp`],
  [
    'two at once',
    { [probePath]: { tcp: { port }, grpc: { port } } },
    `${probePath} must have one of http, grpc and tcp`,
  ],
  [
    'a port by name',
    { [probePath]: { tcp: { port: 'secret' } } },
    `${probePath}.tcp.port must be a port from 1 to 65535, not a text`,
  ],
  [
    'a port that is none',
    { [probePath]: { tcp: { port: 0 } } },
    `${probePath}.tcp.port must be a port from 1 to 65535`,
  ],
  [
    'another scheme',
    { [probePath]: { http: { port, scheme: 'http' } } },
    `${probePath}.http.scheme must be HTTP or HTTPS`,
  ],
  [
    'a header of one part',
    { [probePath]: { http: { port, headers: [['X-A']] } } },
    `${probePath}.http.headers[0][1] must be a text`,
  ],
  [
    'a misspelt key',
    { [probePath]: { tcp: { port }, timeout: 1 } },
    `${probePath}.timeout is not a known key`,
  ],
  [
    'no time',
    { [probePath]: { tcp: { port }, timeoutSeconds: 0 } },
    `${probePath}.timeoutSeconds must be a number of seconds from 1 to 3600`,
  ],
  [
    'another path',
    { '/ready': { tcp: { port } } },
    '/ready must be a path such as /app-probes/web/readiness or /app-lifecycle/web/pre-stop',
  ],
] as const) {
  test(`${what} is a problem that says where, and nothing of what stands there`, () => {
    const variable = typeof text === 'string' ? text : JSON.stringify(text)
    const { probes, problems } = readAppProbes({ ONBEHALF_APP_PROBES: variable }, new Metrics())
    assert.deepEqual([probes, problems], [undefined, [`ONBEHALF_APP_PROBES: ${problem}`]])
  })
}
