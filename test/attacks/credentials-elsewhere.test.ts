// The attacker answers in the place of a callee or an issuer, or for its name, and wants the credential, the user's token
// or the request for keys to go on to another host.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import { test, type TestContext } from 'node:test'
import { Names } from '../../sidecar/upstream/names.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, startPod, type TestMesh } from '../support/mesh.ts'
import {
  assertionName,
  asUser,
  calling,
  forName,
  handleName,
  speak,
  startRaw,
  until,
  verdict,
} from './attack.ts'

interface Luring {
  readonly status: string
  readonly lines: (trap: string) => readonly string[]
  /** An answer before it. */
  readonly before?: (trap: string) => string
  /** So much of it comes, and then the connection ends. */
  readonly length?: number
}

const redirects = ['300', '301', '302', '303', '305', '306', '307', '308', '201', '202']
const lures: Readonly<Record<string, Luring>> = {
  ...Object.fromEntries(
    redirects.map((status) => [
      `${status} with Location`,
      { status, lines: (trap: string) => [`Location: http://${trap}/`] },
    ]),
  ),
  '302 to a path of two slashes': { status: '302', lines: (trap) => [`Location: //${trap}/`] },
  '302 with two Locations': { status: '302', lines: (trap) => ['Location: /', `Location: http://${trap}/`] },
  Refresh: { status: '200', lines: (trap) => [`Refresh: 0; url=http://${trap}/`] },
  'Alt-Svc for HTTP/1.1 and HTTP/2': {
    status: '200',
    lines: (trap) => [`Alt-Svc: h2="${trap}"; ma=3600; persist=1, h2c="${trap}", http%2F1.1="${trap}"`],
  },
  'Alt-Svc for HTTP/3': {
    status: '200',
    lines: (trap) => [`Alt-Svc: h3="${trap}"; ma=3600, h3-29="${trap}"`],
  },
  'Alt-Used': { status: '200', lines: (trap) => [`Alt-Used: ${trap}`] },
  '421 with Alt-Svc': { status: '421', lines: (trap) => [`Alt-Svc: h2="${trap}"`] },
  '407 with Proxy-Authenticate': {
    status: '407',
    lines: (trap) => [`Proxy-Authenticate: Basic realm="http://${trap}/"`, `Location: http://${trap}/`],
  },
  '401 with WWW-Authenticate': {
    status: '401',
    lines: (trap) => [
      `WWW-Authenticate: Bearer resource_metadata="http://${trap}/", authz_server="http://${trap}/"`,
    ],
  },
  '425 with Retry-After': { status: '425', lines: () => ['Retry-After: 0'] },
  '426 with Upgrade': { status: '426', lines: () => ['Connection: upgrade', 'Upgrade: h2c, TLS/1.3'] },
  '429 with Retry-After': { status: '429', lines: (trap) => ['Retry-After: 0', `Location: http://${trap}/`] },
  '503 with Retry-After': { status: '503', lines: (trap) => ['Retry-After: 0', `Location: http://${trap}/`] },
  '511 with Location': { status: '511', lines: (trap) => [`Location: http://${trap}/login`] },
  'Link in an early answer': {
    status: '200',
    before: (trap) => `HTTP/1.1 103 Early Hints\r\nLink: <http://${trap}/>; rel=preload; as=fetch\r\n\r\n`,
    lines: (trap) => [`Link: <http://${trap}/>; rel="preload preconnect prefetch canonical"`],
  },
  'Content-Location': { status: '200', lines: (trap) => [`Content-Location: http://${trap}/`] },
  'what other proxies go by': {
    status: '200',
    lines: (trap) => [
      `X-Accel-Redirect: http://${trap}/`,
      `X-Sendfile: http://${trap}/`,
      `X-Reproxy-URL: http://${trap}/`,
      `X-Envoy-Original-Dst-Host: ${trap}`,
      `X-Pomerium-Reproxy-Policy: http://${trap}/`,
    ],
  },
  'the refusal of a sidecar that wants the certificate': {
    status: '401',
    lines: (trap) => ['x-onbehalf-error: assertion_key_unknown', `Location: http://${trap}/`],
  },
  'a redirect that is broken off in its head': {
    status: '302',
    lines: (trap) => [`Location: http://${trap}/`],
    length: 40,
  },
  'no answer at all': { status: '302', lines: () => [], length: 0 },
}

function answerOf({ status, lines, before, length }: Luring, trap: string, body: string): string {
  const head = [`HTTP/1.1 ${status} X`, ...lines(trap), `Content-Length: ${body.length}`]
  return `${before?.(trap) ?? ''}${head.join('\r\n')}\r\n\r\n${body}`.slice(0, length)
}

/** Answers each request of a connection, which stays open, as the luring is at the moment; keeps their heads. */
async function startLuring(t: TestContext, trap: string, body = 'ok') {
  const heads: string[] = []
  const lure: { now: Luring } = { now: { status: '200', lines: () => [] } }
  const port = await startRaw(t, (socket) => {
    socket.setEncoding('latin1').on('data', (head: string) => {
      heads.push(head)
      const answer = answerOf(lure.now, trap, body)
      if (lure.now.length === undefined) socket.write(answer)
      else socket.end(answer)
    })
  })
  return { address: `127.0.0.1:${port}`, heads, lure }
}

/** Waits for whoever connects; keeps what is said to it. */
async function startTrap(t: TestContext) {
  const connections: string[] = []
  const port = await startRaw(t, (socket) => {
    const i = connections.push('') - 1
    socket.setEncoding('latin1').on('data', (part: string) => {
      connections[i] += part
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  return { address: `127.0.0.1:${port}`, connections }
}

/** The handle of a request of alice's, good for a moment after it. */
async function handleOfAlice(mesh: TestMesh): Promise<string> {
  mesh.apps.App.received.length = 0
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  return String(mesh.apps.App.received[0]?.headers[handleName])
}

const carriesBoth = (head: string) =>
  [assertionName, forName].every((name) => head.toLowerCase().includes(`\r\n${name.toLowerCase()}: `))

test('no answer of a callee sends the credential or the user on', async (t) => {
  const trap = await startTrap(t)
  const { address, heads, lure } = await startLuring(t, trap.address)
  const mesh = await startMesh(t, { run: ['App'], routes: { API: { to: `http://${address}` } } })
  for (const [name, luring] of Object.entries(lures)) {
    await t.test(name, async () => {
      heads.length = 0
      lure.now = luring
      const handle = await handleOfAlice(mesh)
      const first = `GET /1 HTTP/1.1\r\nHost: ${hosts.API}\r\n${handleName}: ${handle}\r\n\r\n`
      const second = first.replace('/1', '/2').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
      const got = await speak(mesh.sidecars.App.outbound, first + second)
      if (luring.length === undefined) {
        assert.equal(got.slice(0, 12), answerOf(luring, trap.address, 'ok').slice(0, 12))
        assert.ok(heads.some((head) => head.startsWith('GET /2 ')))
      } else assert.match(verdict(got), /^upstream_/)
      assert.ok(heads.length > 0)
      assert.ok(heads.every(carriesBoth))
      assert.deepEqual(trap.connections, [])
    })
  }
})

test('a call that is sent again goes to the addresses of its route alone', async (t) => {
  const trap = await startTrap(t)
  const hostile = [await startLuring(t, trap.address), await startLuring(t, trap.address)]
  for (const { lure } of hostile) lure.now = { status: '302', lines: () => [], length: 0 }
  const to = hostile.map(({ address }) => `http://${address}`)
  const mesh = await startMesh(t, { run: ['App'], routes: { API: { to } } })
  const fields = [`Host: ${hosts.API}`, `${handleName}: ${await handleOfAlice(mesh)}`, 'Connection: close']
  const bytes = `GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`
  assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'upstream_reset')
  const heads = hostile.flatMap((each) => each.heads)
  assert.ok(heads.length > 1 && heads.every(carriesBoth))
  assert.deepEqual(trap.connections, [])
})

test('no answer of an issuer sends the request for its keys on', async (t) => {
  const trap = await startTrap(t)
  const mesh = await startMesh(t, { run: [] })
  const keys = JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] })
  const { address, heads, lure } = await startLuring(t, trap.address, keys)
  await mesh.writeMeshFile(({ issuers }) =>
    Object.assign(issuers[0] ?? {}, { jwks: `http://${address}/keys` }),
  )
  const headers = await asUser(mesh, 'alice')
  for (const [name, luring] of Object.entries(lures)) {
    await t.test(name, async (each) => {
      heads.length = 0
      lure.now = luring
      const pod = await startPod(each, mesh, 'App', { awaitReady: luring.status === '200' })
      await until('the issuer was asked', () => heads.length > 0)
      const { code } = await send({ port: pod.inbound, headers })
      assert.equal(code, luring.status === '200' ? '' : 'keys_unavailable')
      assert.deepEqual(trap.connections, [])
    })
  }
})

const lines: readonly ((trap: string) => string)[] = [
  (trap) => `X-Forwarded-Host: ${trap}`,
  (trap) => `X-Forwarded-Server: ${trap}`,
  (trap) => `X-Original-Host: ${trap}`,
  (trap) => `X-Original-URL: http://${trap}/`,
  (trap) => `X-Rewrite-URL: http://${trap}/`,
  (trap) => `X-HTTP-Host-Override: ${trap}`,
  (trap) => `X-Envoy-Original-Dst-Host: ${trap}`,
  (trap) => `Forwarded: host="${trap}";proto=http`,
  (trap) => `Alt-Used: ${trap}`,
  (trap) => `Destination: http://${trap}/`,
  (trap) => `Referer: http://${trap}/`,
  (trap) => `Origin: http://${trap}`,
]

test('no field of a call says where the credential goes, but Host', async (t) => {
  const trap = await startTrap(t)
  const { address, heads } = await startLuring(t, trap.address)
  const settings = { egress: { local: 'allow' } }
  const mesh = await startMesh(t, { run: ['App'], settings, routes: { API: { to: `http://${address}` } } })
  for (const lineOf of lines) {
    heads.length = 0
    const fields = [`Host: ${hosts.API}`, `${handleName}: ${await handleOfAlice(mesh)}`, lineOf(trap.address)]
    const bytes = `GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'HTTP/1.1 200 X')
    assert.equal(heads.filter(carriesBoth).length, 1)
    assert.deepEqual(trap.connections, [])
  }
})

const targets: readonly ((trap: string) => readonly [target: string, host: string, verdict: string])[] = [
  (trap) => [`http://${trap}/`, hosts.API, 'request_ambiguous'],
  (trap) => [`http://${trap}/`, hosts.API + trap.slice(trap.indexOf(':')), 'request_ambiguous'],
  (trap) => [`http://${hosts.API}/`, trap, 'request_ambiguous'],
  (trap) => [`http://${hosts.API}@${trap}/`, hosts.API, 'request_malformed'],
  (trap) => [`http://${hosts.API}@${trap}/`, trap, 'request_malformed'],
  (trap) => [`http://${trap}#@${hosts.API}/`, hosts.API, 'request_malformed'],
  (trap) => [`//${trap}/`, hosts.API, 'HTTP/1.1 200 X'],
  (trap) => [`/http://${trap}/`, hosts.API, 'HTTP/1.1 200 X'],
  // It is called, as any other host; who it is called for, it is not told.
  (trap) => [`http://${trap}/`, trap, 'HTTP/1.1 200 OK'],
]

test('a target that names two hosts is none, and the host of no route gets no credential', async (t) => {
  const trap = await startTrap(t)
  const { address } = await startLuring(t, trap.address)
  const settings = { egress: { local: 'allow' } }
  const mesh = await startMesh(t, { run: ['App'], settings, routes: { API: { to: `http://${address}` } } })
  for (const rowOf of targets) {
    trap.connections.length = 0
    const [target, host, expected] = rowOf(trap.address)
    const fields = [`Host: ${host}`, `${handleName}: ${await handleOfAlice(mesh)}`]
    const bytes = `GET ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), expected, target)
    assert.equal(trap.connections.length, expected === 'HTTP/1.1 200 OK' ? 1 : 0)
    assert.doesNotMatch(trap.connections.join(''), /pomerium|onbehalf/i)
  }
})

/** In TLS, as the account of another service, at an address that the name of the callee may lead to. */
async function startImpostor(t: TestContext, mesh: TestMesh, address: string, port: number) {
  const { certificatePem: cert, keyPem: key } = await mesh.certified('api-access')
  const heard: string[] = []
  let connections = 0
  const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
  server.on('connection', (socket) => {
    connections++
    t.after(() => socket.destroy())
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined)
    socket.setEncoding('latin1').on('data', (part: string) => {
      heard.push(part)
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  server.listen(port, address)
  await once(server, 'listening')
  t.after(() => void server.close())
  return { heard, connections: () => connections }
}

test('a name that leads to another for a while leads no credential there', async (t) => {
  const [real, other] = ['127.0.0.1', '127.0.0.2']
  let address = real
  const looked = new Set<string>()
  t.mock.method(Names.prototype, 'addressesOf', (host: string) => {
    looked.add(host)
    return [address]
  })
  const mesh = await startMesh(t, {
    scheme: 'https',
    mesh: { tls: 'strict' },
    issuer: { edges: { source_ip: ['127.0.0.1'] } },
    run: ['API'],
  })
  const port = mesh.sidecars.API.inbound
  await mesh.writeMeshFile(({ routes }) =>
    Object.assign(routes[1] ?? {}, { to: `https://callee.test:${port}` }),
  )
  const app = await startPod(t, mesh, 'App')
  calling(mesh.apps.App, app.outbound, hosts.API, ({ headers }) => [handleName, String(headers[handleName])])
  const call = async () => (await send({ port: app.inbound, headers: await asUser(mesh, 'alice') })).status
  const impostor = await startImpostor(t, mesh, other, port)
  assert.equal(await call(), 200)
  address = other
  assert.equal(await call(), 502)
  address = real
  assert.equal(await call(), 200)
  assert.ok(impostor.connections() > 0)
  assert.deepEqual(impostor.heard, [])
  // The host that the app calls is a name of the mesh alone.
  assert.deepEqual([...looked], ['callee.test'])
})
