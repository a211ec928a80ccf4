// Apps in pods whose TCP is redirected: carried where it is HTTP, untouched where it is not, and never in circles.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test, type TestContext } from 'node:test'
import { apiHosts, ports, redirect, sidecarUid, startGround, type Ground, type PodName } from './ground.ts'
import { families, whyNoNamespaces, type Family } from './network.ts'
import type { Answer, Received } from './peer.ts'

const skip = (await whyNoNamespaces()) ?? false
let ground: Ground
before(async () => {
  if (skip === false) ground = await startGround()
})
after(async () => {
  if (skip === false) await ground.close()
})

/** For each family; what was received before is forgotten. */
function testEach(name: string, run: (family: Family, t: TestContext) => Promise<void>): void {
  for (const family of families) {
    test(`${name} (${family})`, { skip }, async (t) => {
      await received()
      await run(family, t)
    })
  }
}

function valuesOf({ rawHeaders }: Received, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
}

function subjectOf(token = ''): string {
  return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }).sub
}

async function received(): Promise<Readonly<Record<PodName, readonly Received[]>>> {
  const { app, api, outside } = ground.peers
  return {
    app: await app.tell('received'),
    api: await api.tell('received'),
    outside: await outside.tell('received'),
  }
}

const of = (pod: 'app' | 'api' | 'outside', family: Family) => ground.pods[pod].addresses[family]
const inUrl = (address: string) => (address.includes(':') ? `[${address}]` : address)

/** A user's request to the app, which calls `url` for it. */
async function callFor(family: Family, url: string): Promise<Answer> {
  const answer = await ground.peers.outside.tell('ask', {
    address: of('app', family),
    port: ports.app,
    target: `/?call=${encodeURIComponent(url)}`,
    headers: ['Host', 'app.test', 'X-Pomerium-Jwt-Assertion', ground.userToken()],
  })
  assert.equal(answer.status, 200, answer.body)
  return JSON.parse(answer.body) as Answer
}

const decided = /^onbehalf_decisions_total/
const countPassed = (labels: string) =>
  ground.count('app', new RegExp(`^onbehalf_passed_connections_total{${labels}`))
const accepted = (port: number) => ground.peers.outside.tell('accepted', port)

testEach('a call by plain name carries the account and the original user', async (family) => {
  const answer = await callFor(family, `http://${apiHosts[family]}/work`)
  assert.deepEqual(answer, { status: 200, code: '', body: 'served' })
  const { api } = await received()
  assert.equal(api.length, 1)
  const [request] = api as [Received]
  assert.equal(subjectOf(valuesOf(request, 'x-pomerium-jwt-assertion')[0]), 'api-access')
  assert.equal(subjectOf(valuesOf(request, 'x-pomerium-jwt-assertion-for')[0]), 'alice')
})

testEach('the sidecars’ own connections are not redirected to themselves', async (family) => {
  const earlier = [await ground.count('app', decided), await ground.count('api', decided)]
  for (let i = 0; i < 5; i++) await callFor(family, `http://${apiHosts[family]}/`)
  const later = [await ground.count('app', decided), await ground.count('api', decided)]
  // One inbound and one outbound beside the app, one inbound beside the API.
  assert.deepEqual(
    later.map((count, i) => count - (earlier[i] as number)),
    [10, 5],
  )
})

testEach('TLS of the app itself passes untouched, with the certificates of both sides', async (family) => {
  const { ca, outsideTls } = ground
  const { certificatePem: certificate, keyPem: key } = outsideTls
  const { fingerprint256 } = new X509Certificate(certificate)
  const address = of('outside', family)
  const asked = { address, port: ports.tls, servername: 'outside.test', ca, certificate, key }
  assert.deepEqual(await ground.peers.app.tell('askTls', asked), {
    serverFingerprint: fingerprint256,
    heard: fingerprint256,
  })
  await ground.sidecars.app.logged({ method: 'TCP', outcome: 'allowed', host: address })
})

testEach('TLS to a host that a route names passes untouched too', async (family) => {
  const earlier = await accepted(ports.tls)
  const hello = '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00'
  const address = of('outside', family)
  // The name is inside the TLS; whoever resolves it to here is connected to here.
  const { ca, outsideTls } = ground
  const asked = ground.peers.app.tell('askTls', {
    address,
    port: ports.tls,
    servername: apiHosts[family],
    ca,
    certificate: outsideTls.certificatePem,
    key: outsideTls.keyPem,
  })
  await assert.rejects(asked, /ERR_TLS_CERT_ALTNAME_INVALID/)
  const echoed = await ground.peers.app.tell('talk', {
    address,
    port: ports.echo,
    parts: hello.split(''),
    enough: hello.length,
  })
  assert.equal(echoed.heard, hello)
  assert.equal(await accepted(ports.tls), (earlier ?? 0) + 1)
})

testEach('a server that speaks first is heard, and answered', async (family) => {
  const address = of('outside', family)
  const talk = { address, port: ports.greeting, isPolite: true, parts: ['EHLO me\r\n'], endsFirst: true }
  assert.deepEqual(await ground.peers.app.tell('talk', talk), {
    heard: '220 welcome\r\nEHLO me\r\n',
    ended: 'end',
  })
})

testEach('bytes that are not HTTP pass, whole and in order, past a half-closed side', async (family) => {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
  const parts = ['\0\0\0\x04', ...Array.from({ length: 100 }, () => bytes)]
  const talk = { address: of('outside', family), port: ports.echo, parts, endsFirst: true }
  assert.deepEqual(await ground.peers.app.tell('talk', talk), { heard: parts.join(''), ended: 'end' })
})

testEach('who ends its side before it says anything still hears the server', async (family) => {
  const talk = { address: of('outside', family), port: ports.greeting, endsFirst: true }
  assert.deepEqual(await ground.peers.app.tell('talk', talk), { heard: '220 welcome\r\n', ended: 'end' })
})

testEach('a reset stays a reset', async (family) => {
  const talk = { address: of('outside', family), port: ports.reset, parts: ['\0'] }
  assert.deepEqual(await ground.peers.app.tell('talk', talk), { heard: '', ended: 'ECONNRESET' })
})

testEach('CONNECT to a proxy of the app’s own passes untouched', async (family) => {
  const connect = 'CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n'
  const talk = { address: of('outside', family), port: ports.echo, parts: [connect], enough: connect.length }
  assert.equal((await ground.peers.app.tell('talk', talk)).heard, connect)
})

testEach('HTTP that comes byte by byte, after a silence, is served as HTTP', async (family) => {
  const request = `GET /late HTTP/1.1\r\nHost: ${apiHosts[family]}\r\nConnection: close\r\n\r\n`
  const talk = { address: of('outside', family), port: ports.echo, parts: request.split(''), silentMs: 400 }
  const earlier = (await accepted(ports.echo)) ?? 0
  const { heard } = await ground.peers.app.tell('talk', talk)
  assert.match(heard, /^HTTP\/1\.1 200 /)
  // The connection that waited for the server to speak is gone.
  assert.equal(await accepted(ports.echo), earlier + 1)
  for (let tries = 0; (await ground.peers.outside.tell('open', ports.echo)) > 0; tries++)
    assert.ok(tries < 1_000)
  const { api } = await received()
  assert.deepEqual(
    api.map(({ url }) => url),
    ['/late'],
  )
  assert.notEqual(valuesOf(api[0] as Received, 'x-pomerium-jwt-assertion')[0], undefined)
})

testEach('what is not HTTP, after a silence, goes by the connection that waited', async (family) => {
  const earlier = (await accepted(ports.echo)) ?? 0
  const talk = {
    address: of('outside', family),
    port: ports.echo,
    parts: ['\0a', 'b'],
    silentMs: 400,
    enough: 3,
  }
  assert.equal((await ground.peers.app.tell('talk', talk)).heard, '\0ab')
  assert.equal(await accepted(ports.echo), earlier + 1)
})

testEach(
  'CONNECT behind another request, for another proxy, is not taken for one to this',
  async (family) => {
    const parts = ['GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n']
    const answer = 'CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n'
    const told = await ground.peers.app.tell('talk', {
      address: of('outside', family),
      port: ports.app,
      parts,
      answer,
    })
    assert.match(told.heard, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 400 [^]*x-onbehalf-error: request_malformed/)
  },
)

testEach('HTTP does not get out by way of a server that speaks first', async (family) => {
  const request = 'GET / HTTP/1.1\r\nHost: elsewhere\r\nX-Onbehalf-Handle: secret\r\n\r\n'
  const talk = { address: of('outside', family), port: ports.greeting, isPolite: true, parts: [request] }
  assert.deepEqual(await ground.peers.app.tell('talk', talk), {
    heard: '220 welcome\r\n',
    ended: 'ECONNRESET',
  })
  await ground.sidecars.app.logged({ message: 'failed', method: 'TCP', code: 'request_malformed' })
})

testEach('HTTP/2 with prior knowledge is served, and no handle gets out in it', async (family) => {
  const answer = await ground.peers.app.tell('askHttp2', {
    address: of('outside', family),
    port: ports.app,
    target: '/in-http2',
    headers: ['Host', 'no-such-host.invalid', 'X-Onbehalf-Handle', 'secret', 'X-Own', 'kept'],
  })
  assert.deepEqual(answer, { status: 200, code: '', body: 'served' })
  const [request] = (await received()).outside
  assert.deepEqual(request && [request.url, ...valuesOf(request, 'host'), ...valuesOf(request, 'x-own')], [
    '/in-http2',
    'no-such-host.invalid',
    'kept',
  ])
  assert.deepEqual(request && valuesOf(request, 'x-onbehalf-handle'), [])
})

testEach('who begins a request and does not go on is cut off', async (family) => {
  const talk = { address: of('outside', family), port: ports.echo, parts: ['GE'] }
  const { heard, ended } = await ground.peers.app.tell('talk', talk)
  assert.equal(heard, '')
  assert.notEqual(ended, 'too late')
  await ground.sidecars.app.logged({ message: 'unreadable request', code: 'request_malformed' })
})

testEach('an unlisted host goes to its original destination, whatever Host says', async (family) => {
  const answer = await ground.peers.app.tell('ask', {
    address: of('outside', family),
    port: ports.app,
    target: '/here',
    headers: ['Host', 'no-such-host.invalid', 'X-Onbehalf-Handle', 'secret', 'X-Own', 'kept'],
  })
  assert.deepEqual(answer, { status: 200, code: '', body: 'served' })
  const [request] = (await received()).outside
  assert.deepEqual(request && [request.url, ...valuesOf(request, 'host'), ...valuesOf(request, 'x-own')], [
    '/here',
    'no-such-host.invalid',
    'kept',
  ])
  assert.equal(request?.rawHeaders.includes('secret'), false)
})

testEach('a request for another proxy keeps the form of its target', async (family) => {
  const target = 'http://no-such-host.invalid/through'
  const headers = ['Host', 'no-such-host.invalid']
  await ground.peers.app.tell('ask', { address: of('outside', family), port: ports.app, target, headers })
  assert.deepEqual(
    (await received()).outside.map(({ url }) => url),
    [target],
  )
})

test('the metadata address is refused to HTTP and to bytes', { skip }, async () => {
  const address = '169.254.169.254'
  const answer = await ground.peers.app.tell('ask', { address, port: 80 })
  assert.deepEqual([answer.status, answer.code], [403, 'egress_denied'])
  const told = await ground.peers.app.tell('talk', { address, port: 80, parts: ['\0'] })
  assert.equal(told.ended, 'ECONNRESET')
  await ground.sidecars.app.logged({ method: 'TCP', host: address, code: 'egress_denied' })
})

testEach('a destination that cannot be reached is a reset to bytes', async (family) => {
  const told = await ground.peers.app.tell('talk', { address: of('outside', family), port: 1, parts: ['\0'] })
  assert.equal(told.ended, 'ECONNRESET')
  const like = { method: 'TCP', host: of('outside', family), code: 'upstream_refused' }
  await ground.sidecars.app.logged(like)
})

testEach('credentials for another proxy reach it, and what it says to them comes back', async (family) => {
  const target = 'http://no-such-host.invalid/'
  const headers = ['Host', 'no-such-host.invalid', 'Proxy-Authorization', 'refuse']
  const call = { address: of('outside', family), port: ports.app, target, headers }
  const answer = await ground.peers.app.tell('ask', call)
  assert.deepEqual([answer.status, answer.proxyAuthenticate], [407, 'Basic realm="other"'])
  const [request] = (await received()).outside
  assert.deepEqual(request && valuesOf(request, 'proxy-authorization'), ['refuse'])
})

testEach('credentials for a proxy stay here where nothing says that there is another', async (family) => {
  const headers = ['Host', 'elsewhere', 'Proxy-Authorization', 'refuse']
  const call = { address: of('outside', family), port: ports.app, headers }
  assert.equal((await ground.peers.app.tell('ask', call)).status, 200)
})

testEach('of several apps behind one sidecar, the port that was called names the one', async (family) => {
  for (const port of [ports.second, ports.app, 1234]) {
    const headers = ['Host', 'app.test', 'X-Pomerium-Jwt-Assertion', ground.userToken()]
    const answer = await ground.peers.outside.tell('ask', { address: of('app', family), port, headers })
    assert.equal(answer.status, 200, answer.body)
  }
  assert.deepEqual(
    (await received()).app.map(({ port }) => port),
    [ports.second, ports.app, ports.app],
  )
})

testEach('of several apps it does so in TLS, too', async (family) => {
  for (const port of [ports.second, ports.app]) {
    const headers = ['Host', 'app.test', 'X-Pomerium-Jwt-Assertion', ground.userToken()]
    const asked = { address: of('app', family), port, headers, isTls: true }
    const answer = await ground.peers.outside.tell('askHttp2', asked)
    assert.equal(answer.status, 200, answer.body)
  }
  assert.deepEqual(
    (await received()).app.map(({ port }) => port),
    [ports.second, ports.app],
  )
})

testEach('the callee’s app cannot be reached around its sidecar', async (family) => {
  const answer = await ground.peers.outside.tell('ask', {
    address: of('api', family),
    port: ports.app,
    headers: ['Host', apiHosts[family]],
  })
  assert.deepEqual([answer.status, answer.code], [401, 'assertion_missing'])
  assert.deepEqual((await received()).api, [])
})

testEach('the outbound and the admin listener cannot be reached from outside the pod', async (family) => {
  const earlier = await ground.count('app', decided)
  for (const port of [15_001, 15_000]) {
    const answer = await ground.peers.outside.tell('ask', {
      address: of('app', family),
      port,
      target: '/config',
    })
    assert.deepEqual([answer.status, answer.code], [421, 'route_not_found'])
  }
  assert.equal((await ground.count('app', decided)) - earlier, 2)
})

testEach('another pod’s own ports are refused there, once', async (family) => {
  const earlier = [await ground.count('app', decided), await ground.count('api', decided)]
  const answer = await callFor(family, `http://${inUrl(of('api', family))}:15001/`)
  assert.deepEqual([answer.status, answer.code], [421, ''])
  const later = [await ground.count('app', decided), await ground.count('api', decided)]
  assert.deepEqual(
    later.map((count, i) => count - (earlier[i] as number)),
    [2, 1],
  )
})

testEach(
  'the sidecar’s own ports on the pod’s address are refused by it, whatever the rules and Host say',
  async (family, t) => {
    const pod = ground.pods.app
    const tool = family === 'ipv4' ? 'iptables' : 'ip6tables'
    const owner = ['-m', 'owner', '!', '--uid-owner', String(sidecarUid)]
    const to = ['-p', 'tcp', '-d', of('app', family), ...owner, '-j', 'REDIRECT', '--to-ports', '15001']
    await pod.exec(tool, '-t', 'nat', '-I', 'OUTPUT', ...to)
    t.after(() => pod.exec(tool, '-t', 'nat', '-D', 'OUTPUT', ...to))
    const earlier = await ground.count('app', decided)
    for (const host of ['elsewhere', apiHosts[family]]) {
      for (const port of [15_006, 15_001, 15_000]) {
        const asked = { address: of('app', family), port, headers: ['Host', host] }
        const answer = await ground.peers.app.tell('ask', asked)
        assert.deepEqual([answer.status, answer.code], [421, 'route_not_found'], `${host} ${port}`)
      }
    }
    const told = await ground.peers.app.tell('talk', {
      address: of('app', family),
      port: 15_006,
      parts: ['\0'],
    })
    assert.equal(told.ended, 'ECONNRESET')
    assert.equal((await ground.count('app', decided)) - earlier, 7)
  },
)

testEach('a direct connection to the listeners is served as ever', async (family) => {
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1'
  const explicit = await ground.peers.app.tell('ask', {
    address: loopback,
    port: 15_001,
    target: `http://${apiHosts[family]}/proxied`,
    headers: ['Host', apiHosts[family]],
  })
  assert.equal(explicit.status, 200)
  assert.deepEqual(
    (await received()).api.map(({ url }) => url),
    ['/proxied'],
  )
  const direct = await ground.peers.outside.tell('ask', { address: of('app', family), port: 15_006 })
  assert.deepEqual([direct.status, direct.code], [401, 'assertion_missing'])
  const probe = await ground.peers.outside.tell('ask', {
    address: of('app', family),
    port: 15_021,
    target: '/livez',
  })
  assert.equal(probe.status, 200)
})

test('what passed is counted by what it was and how it ended', { skip }, async () => {
  for (const protocol of ['tls', 'other', 'server_first'])
    assert.ok((await countPassed(`protocol="${protocol}",outcome="allowed"`)) > 0, protocol)
  assert.ok((await countPassed('protocol="other",outcome="refused",code="egress_denied"')) > 0)
})

test('the sidecar says nothing of what is experimental in Node, and no handle', { skip }, () => {
  const text = JSON.stringify(ground.sidecars.app.log)
  assert.doesNotMatch(text, /Experimental|secret/)
})

// What changes the ground stands last.

async function reload(changes: object): Promise<void> {
  const { app } = ground.sidecars
  const since = app.log.length
  await ground.writeMesh(changes)
  await app.logged({ message: 'configuration reloaded' }, since)
}

test('egress.unlisted: deny closes the way for bytes, and leaves routes open', { skip }, async () => {
  await reload({ egress: { unlisted: 'deny' } })
  const address = of('outside', 'ipv4')
  const earlier = [await accepted(ports.echo), await accepted(ports.greeting)]
  const told = await ground.peers.app.tell('talk', { address, port: ports.echo, parts: ['\0'] })
  assert.deepEqual(told, { heard: '', ended: 'ECONNRESET' })
  const silent = await ground.peers.app.tell('talk', { address, port: ports.greeting })
  assert.deepEqual(silent, { heard: '', ended: 'ECONNRESET' })
  assert.deepEqual([await accepted(ports.echo), await accepted(ports.greeting)], earlier)
  const unlisted = await ground.peers.app.tell('ask', { address, port: ports.app })
  assert.deepEqual([unlisted.status, unlisted.code], [403, 'egress_denied'])
  assert.equal((await callFor('ipv4', `http://${apiHosts.ipv4}/`)).status, 200)
  await reload({})
})

testEach(
  'a silent client whose server cannot be reached is reset, and the record says why',
  async (family) => {
    const address = of('outside', family)
    const told = await ground.peers.app.tell('talk', { address, port: ports.dead })
    assert.deepEqual(told, { heard: '', ended: 'ECONNRESET' })
    await ground.sidecars.app.logged({ method: 'TCP', code: 'upstream_refused', host: address })
  },
)

testEach('rules that do not exempt the sidecar’s user bring nothing round in circles', async (family, t) => {
  await ground.pods.app.exec(redirect, 'apply', '--uid', '1')
  t.after(() => ground.pods.app.exec(redirect, 'apply', '--uid', String(sidecarUid)))
  const earlier = await ground.count('app', decided)
  const address = of('outside', family)
  // A port to which no connection is open from before.
  const http = await ground.peers.app.tell('ask', { address, port: ports.second })
  assert.equal(http.status, 502)
  for (const parts of [['\0'], []]) {
    const told = await ground.peers.app.tell('talk', { address, port: ports.greeting, parts })
    assert.deepEqual(told, { heard: '', ended: 'ECONNRESET' })
  }
  await ground.sidecars.app.logged({
    outcome: 'refused',
    method: 'TCP',
    code: 'route_not_found',
    host: address,
  })
  const { log } = ground.sidecars.app
  assert.ok((await ground.count('app', decided)) - earlier < 12, JSON.stringify(log.slice(-20)))
})

test('what passes ends with the sidecar, and keeps it no longer than timeouts.drain', { skip }, async () => {
  const talk = { address: of('outside', 'ipv4'), port: ports.echo, parts: ['\0'] }
  const talking = ground.peers.app.tell('talk', talk)
  const passing = /^onbehalf_active_requests{direction="outbound"} /
  for (let tries = 0; (await ground.count('app', passing)) === 0; tries++) assert.ok(tries < 1_000)
  const { process: sidecar } = ground.sidecars.app
  const ended = new Promise((resolve) => sidecar.once('exit', resolve))
  sidecar.kill('SIGTERM')
  assert.equal(await ended, 0)
  assert.notEqual((await talking).ended, 'too late')
})

testEach('without its sidecar nothing leaves the pod, and nothing enters it', async (family) => {
  const earlier = await accepted(ports.app)
  const call = { address: of('outside', family), port: ports.app }
  await assert.rejects(ground.peers.app.tell('ask', call), /ECONNREFUSED/)
  assert.equal(await accepted(ports.app), earlier)
  const enter = ground.peers.outside.tell('ask', { address: of('app', family), port: ports.app })
  await assert.rejects(enter, /ECONNREFUSED/)
})

test('without the rules the app is reached as before', { skip }, async () => {
  await ground.pods.app.exec(redirect, 'remove')
  const answer = await ground.peers.outside.tell('ask', { address: of('app', 'ipv4'), port: ports.app })
  assert.equal(answer.status, 200)
})
