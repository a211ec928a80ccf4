// What a sound mesh file becomes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadMesh, type LoadedMesh } from '../../../shared/config/load.ts'
import type { Mesh } from '../../../shared/config/mesh.ts'
import { formatProblem } from '../../../shared/config/problem.ts'
import type { MeshSource } from '../../../shared/config/source.ts'

function readGood(name: string): string {
  return readFileSync(new URL(`good/${name}`, import.meta.url), 'utf8')
}

const designText = readGood('design.yaml')

function load(text: string, further: Partial<MeshSource> = {}): LoadedMesh {
  return loadMesh({ file: 'mesh/onbehalf.yaml', text, ...further })
}

function loadSound(text: string, further: Partial<MeshSource> = {}): Mesh {
  const { mesh, problems } = load(text, further)
  assert.ok(mesh, problems.map(formatProblem).join('\n'))
  return mesh
}

const issuers = `
issuers:
  - {issuer: hostOnly, jwks: https://authenticate.example.com/jwks.json, single_use: true}
`
const appRoute = `
routes:
  - {name: App, from: https://app.example.com, to: https://app.internal, allow_any_authenticated_user: true}
`
const minimal = `${issuers}${appRoute}`

test('the two routes of the documentation load with warnings at most, for either service', () => {
  for (const service of ['App', 'API']) {
    const { mesh, problems } = load(readGood('documented-routes.yaml'), { service })
    assert.ok(mesh)
    assert.ok(problems.length > 0)
    assert.ok(problems.every((problem) => problem.severity === 'warning'))
  }
})

test('the whole example of the design loads without a warning for its caller', () => {
  const { mesh, problems } = load(designText, { service: 'App' })
  assert.deepEqual(problems, [])
  assert.ok(mesh)
})

test('the example of the design becomes what it says', () => {
  const mesh = loadSound(designText, { service: 'App' })
  const [issuer] = mesh.issuers
  assert.deepEqual(issuer?.exact, ['pomerium-proxy'])
  assert.equal(issuer?.hostOnly && issuer.uri, true)
  assert.deepEqual(issuer?.serviceAccounts, new Set(['api-access']))
  assert.equal(issuer?.edges?.sourceIp[0]?.contains('10.1.2.3'), true)
  assert.equal(issuer?.edges?.sourceIp[0]?.contains('11.1.2.3'), false)
  assert.deepEqual(mesh.accounts, new Set(['api-access']))
  assert.deepEqual(mesh.calls, new Set(['API']))
  assert.deepEqual(mesh.trustDomains[0], {
    name: 'mesh',
    issuer: 'mesh.companydomain.com',
    caFile: 'mesh/ca.pem',
    accounts: new Set(['api-access']),
  })
  assert.deepEqual(mesh.app, { tls: false, host: '127.0.0.1', port: 8080 })
  assert.deepEqual(mesh.limits, {
    headerBytes: 32 * 1024,
    headers: 100,
    bodyBytes: 0,
    connections: 10_000,
    concurrentRequests: 1000,
    queueDelayMs: 50,
    sessionBytes: 64 * 1024 * 1024,
  })
  assert.equal(mesh.timeouts.idleMs, 300_000)
})

test('the defaults are those of the example of the design', () => {
  const given = loadSound(designText, { service: 'App' })
  const byDefault = loadSound(minimal)
  for (const key of ['limits', 'timeouts', 'log', 'mode', 'egress', 'tls'] as const) {
    assert.deepEqual(byDefault[key], given[key], key)
  }
  assert.deepEqual(byDefault.listen.inbound, [{ host: '0.0.0.0', port: 15006 }])
  assert.deepEqual(byDefault.listen.outbound, [{ host: '127.0.0.1', port: 15001 }])
  assert.deepEqual(byDefault.listen.admin, [{ host: '127.0.0.1', port: 15000 }])
  assert.deepEqual(byDefault.listen.probes, [{ host: '0.0.0.0', port: 15021 }])
})

test('a route is found by its host and by each alias, in lower case and without port', () => {
  const mesh = loadSound(`${issuers}
routes:
  - {name: App, from: "https://APP.example.com.:8443", to: https://a.internal, aliases: [App, app.default.svc], allow_any_authenticated_user: true}
`)
  assert.deepEqual([...mesh.routesByHost.keys()], ['app.example.com', 'app', 'app.default.svc'])
  assert.deepEqual([...mesh.ownRoutes.keys()], ['app.example.com'])
  assert.equal(mesh.routes[0]?.from.port, 8443)
})

test('several routes of one service share a host, in the order of the file', () => {
  const mesh = loadSound(`${issuers}
routes:
  - {name: Admin, service: App, prefix: /admin, from: https://app.example.com, to: https://a.internal, allowed_users: [alice]}
  - {name: Rest, service: App, from: https://app.example.com, to: https://a.internal, allow_any_authenticated_user: true}
`)
  assert.equal(mesh.service, 'App')
  assert.deepEqual(
    mesh.ownRoutes.get('app.example.com')?.map((route) => route.name),
    ['Admin', 'Rest'],
  )
})

test('a regex matches the whole path only', () => {
  const mesh = loadSound(minimal.replace('to: https', 'regex: "/v[0-9]|/x", to: https'))
  const match = mesh.routes[0]?.match
  assert.ok(match?.kind === 'regex')
  assert.deepEqual(
    ['/v1', '/x', '/v12', '/a/x', '/x/'].map((path) => match.regex.test(path)),
    [true, true, false, false, false],
  )
})

test("a service's own routes are those of its service only", () => {
  const mesh = loadSound(designText, { service: 'API' })
  assert.deepEqual([...mesh.ownRoutes.keys()], ['api.localhost.pomerium.io'])
  assert.deepEqual(mesh.accounts, new Set())
})

test('accept_for becomes the hosts of the routes, all of them by default', () => {
  const mesh = loadSound(designText, { service: 'API' })
  assert.deepEqual(
    mesh.routes[0]?.acceptFor,
    new Set(['app.localhost.pomerium.io', 'api.localhost.pomerium.io']),
  )
  assert.deepEqual(mesh.routes[1]?.acceptFor, new Set(['app.localhost.pomerium.io']))
})

test('an accept_for that is empty accepts users of no entry route', () => {
  const mesh = loadSound(minimal.replace('to: https', 'accept_for: [], to: https'))
  assert.deepEqual(mesh.routes[0]?.acceptFor, new Set())
})

test("a service's entry wins over the top of the file, map by map", () => {
  const text = `${minimal}
timeouts: {idle: 1m, connect: 1s}
mode: report
services:
  App:
    timeouts: {connect: 2s}
    mode: enforce
`
  const mesh = loadSound(text)
  assert.equal(mesh.timeouts.idleMs, 60_000)
  assert.equal(mesh.timeouts.connectMs, 2000)
  assert.equal(mesh.mode, 'enforce')
})

test("another service's entry changes nothing here", () => {
  const other =
    '  - {name: API, from: https://api.example.com, to: https://b.internal, allow_any_authenticated_user: true}'
  const text = `${issuers}${appRoute}${other}\nservices: {API: {mode: report, app: http://127.0.0.1:9000}}\n`
  const mesh = loadSound(text, { service: 'App' })
  assert.equal(mesh.mode, 'enforce')
  assert.equal(mesh.app, undefined)
})

test('overrides win over the file, and a faulty one is reported under its own name', () => {
  const overrides = [
    { path: ['app'], value: 'http://127.0.0.1:9000', source: '--app' },
    { path: ['log', 'level'], value: 'debug', source: 'ONBEHALF_LOG_LEVEL' },
  ]
  const mesh = loadSound(`${minimal}\nlog: {access: json}\nservices: {App: {app: http://127.0.0.1:8080}}`, {
    overrides,
  })
  assert.equal(mesh.app?.port, 9000)
  assert.deepEqual(mesh.log, { level: 'debug', format: 'auto', access: 'json', linesPerSecond: 100 })
  const faulty = load(minimal, { overrides: [{ path: ['app'], value: '8080', source: '--app' }] })
  assert.equal(faulty.mesh, undefined)
  assert.ok(faulty.problems.some((problem) => formatProblem(problem).startsWith('--app: Must be a URL')))
})

test('what a cross check finds about an override is reported under its name, not at a line', () => {
  const overrides = [{ path: ['listen', 'admin'], value: '0.0.0.0:15000', source: '--listen-admin' }]
  const { problems } = load(minimal, { overrides })
  const lines = problems.filter((problem) => problem.severity === 'error').map(formatProblem)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^--listen-admin: Must be a loopback address/)
})

test('the standard claim headers are always there, and the three ways to write more agree', () => {
  const headersOf = (given: string) => loadSound(`${minimal}\njwt_claims_headers: ${given}`).claimHeaders
  const standard = loadSound(minimal).claimHeaders
  assert.deepEqual(standard, [
    { header: 'x-pomerium-authenticated-user-id', claim: 'sub' },
    { header: 'x-pomerium-authenticated-user-email', claim: 'email' },
    { header: 'x-pomerium-authenticated-user-groups', claim: 'groups' },
  ])
  const more = [...standard, { header: 'x-pomerium-claim-family_name', claim: 'family_name' }]
  assert.deepEqual(headersOf('[family_name]'), more)
  assert.deepEqual(headersOf('" family_name, "'), more)
  assert.deepEqual(headersOf('{X-Pomerium-Claim-family_name: family_name}'), more)
})

test('claim headers are compared as an app could read them', () => {
  const mesh = loadSound(`${minimal}\njwt_claims_headers: {X_User.Name: name}`)
  assert.ok(mesh.claimHeaderNames.has('x-user-name'))
})

test('relative file names are relative to the mesh file, absolute ones stay', () => {
  const text = `${minimal}\nmesh: {issuer: mesh.example.com, ca: /etc/ca.pem}\nservices: {App: {credential: {certificate: a.pem, key: keys/a.pem}}}`
  const { mesh, files } = load(text)
  assert.deepEqual(mesh?.credential, { certificateFile: 'mesh/a.pem', keyFile: 'mesh/keys/a.pem' })
  assert.equal(mesh?.trustDomains[0]?.caFile, '/etc/ca.pem')
  assert.deepEqual(
    files.map(({ path, file }) => [path.join('.'), file]),
    [
      ['mesh.ca', '/etc/ca.pem'],
      ['services.App.credential.certificate', 'mesh/a.pem'],
      ['services.App.credential.key', 'mesh/keys/a.pem'],
    ],
  )
})

test('an issuer without a name is called by its position, from 1, also in policies', () => {
  const policy = 'policy: {allow: {or: [{issuer: "1"}]}}'
  const mesh = loadSound(minimal.replace('allow_any_authenticated_user: true', policy))
  assert.equal(mesh.issuers[0]?.name, '1')
})

test('several values of listen and of account are all taken', () => {
  const text = `${minimal.replace('to: https', 'account: [a, ns/b], to: https')}
services: {App: {app: "http://[::1]:8080", listen: {inbound: ["127.0.0.1:0", "[::1]:0"], outbound: "127.0.0.1:0", admin: "127.0.0.1:0"}}}`
  const mesh = loadSound(text)
  assert.deepEqual(mesh.accounts, new Set(['a', 'ns/b']))
  assert.deepEqual(mesh.listen.inbound, [
    { host: '127.0.0.1', port: 0 },
    { host: '::1', port: 0 },
  ])
  assert.equal(mesh.app?.host, '::1')
})

const clashesOf = (listen: string) =>
  load(`${minimal}services: {App: {app: "http://127.0.0.1:1", listen: ${listen}}}`)
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ message }) => message)

test('all addresses of both families may be listened at on one port, but not what another listener has', () => {
  const both = '["0.0.0.0:7", "[::]:7"]'
  assert.deepEqual(clashesOf(`{inbound: ${both}, outbound: ["127.0.0.1:8", "[::1]:8"]}`), [])
  for (const outbound of ['127.0.0.1:7', '"[::1]:7"'])
    assert.equal(clashesOf(`{inbound: ${both}, outbound: ${outbound}}`).length, 1, outbound)
  assert.equal(clashesOf('{inbound: "[::]:7", outbound: "127.0.0.1:7"}').length, 1)
})

test('who may sign links for a service: its accounts, and those of whom it shares its sessions with', () => {
  const text = `${issuers}
routes:
  - {name: App, account: a, from: https://app.example.com, to: https://app.internal, allowed_users: [x]}
  - {name: Worker, account: w, from: https://worker.example.com, to: https://w.internal, allowed_users: [x]}
  - {name: API, account: [b, c], from: https://api.example.com, to: https://api.internal, allowed_users: [x]}
store: {redis: {url: redis://127.0.0.1}}
services: {App: {share_with: [Worker]}}
`
  const signers = loadSound(text, { service: 'API' }).signersByService
  assert.deepEqual(Object.fromEntries([...signers].map(([name, all]) => [name, [...all]])), {
    App: ['a', 'w'],
    Worker: ['w'],
    API: ['b', 'c'],
  })
})

test('keys of features that are not served are accepted where they ask for no more than the default', () => {
  const text = `${minimal}
store: memory
mesh: {evidence: verify, tls: "off", original_user_grace: 0s, trust: []}
streams: {end_at: never}
passthrough_ports: []
services: {App: {share_with: [], app: http://127.0.0.1:8080}}
`
  const mesh = loadSound(text)
  assert.equal(mesh.tls, 'off')
})

test('a mesh of service accounts alone needs no issuer of users', () => {
  const text = `${appRoute}\nmesh: {issuer: mesh.example.com, ca: ca.pem}\n`
  const { mesh, problems } = load(text)
  assert.ok(mesh)
  assert.ok(problems.some((problem) => problem.severity === 'warning' && problem.path[0] === 'issuers'))
})

test('JSON is read like YAML', () => {
  const json = JSON.stringify({
    issuers: [{ issuer: 'hostOnly', jwks: 'keys.json', single_use: true }],
    routes: [{ name: 'A', from: 'https://a.example.com', to: 'https://a.internal', allowed_users: ['x'] }],
  })
  assert.equal(loadSound(json).service, 'A')
})

test('what stands behind an alias counts where it is used', () => {
  const text = `${issuers}
routes:
  - {name: A, from: https://a.example.com, to: https://a.internal, policy: &p [{allow: {or: [{domain: example.com}]}}]}
  - {name: B, service: A, from: https://b.example.com, to: https://a.internal, policy: *p}
`
  const { mesh, problems } = load(text)
  assert.ok(mesh)
  assert.ok(problems.every((problem) => !problem.message.includes('Admits nobody')))
})

const storeOf = (redis: string) => loadSound(`${minimal}store: {redis: ${redis}}\n`).store

test('a Redis is reached at one address, by sentinels or by nodes', () => {
  const user = {}
  const common = { kind: 'redis', tls: undefined, user, revoker: undefined, prefix: 'onbehalf' }
  assert.deepEqual(storeOf('{url: redis://redis.example.com}'), {
    ...common,
    servers: { kind: 'standalone', address: { host: 'redis.example.com', port: 6379 } },
  })
  assert.deepEqual(storeOf('{sentinels: [s1, "redis://s2:26380"]}'), {
    ...common,
    servers: {
      kind: 'sentinel',
      sentinels: [
        { host: 's1', port: 26379 },
        { host: 's2', port: 26380 },
      ],
      master: 'mymaster',
      user,
    },
  })
  assert.deepEqual(storeOf('{cluster: ["[::1]:7000"], tls: {}, username: u}'), {
    ...common,
    tls: {},
    user: { username: 'u' },
    servers: { kind: 'cluster', nodes: [{ host: '::1', port: 7000 }] },
  })
})

test('rediss:// is TLS, and files are found beside the mesh file', () => {
  const store = storeOf('{url: "rediss://[::1]:7001", password_file: password, tls: {ca: redis-ca.pem}}')
  assert.deepEqual(store, {
    kind: 'redis',
    servers: { kind: 'standalone', address: { host: '::1', port: 7001 } },
    tls: { caFile: 'mesh/redis-ca.pem' },
    user: { passwordFile: 'mesh/password' },
    revoker: undefined,
    prefix: 'onbehalf',
  })
})

test('without a store nothing is shared, and nothing is asked', () => {
  const { store, evidence, maxHops, revocationMaxAgeMs, shareWith } = loadSound(minimal)
  assert.deepEqual(
    [store, evidence, maxHops, revocationMaxAgeMs, shareWith],
    [{ kind: 'memory' }, 'verify', 8, 0, new Set()],
  )
})

test('without a store nobody shares sessions, so nobody signs for another', () => {
  const text = `${issuers}
routes:
  - {name: App, account: a, from: https://app.example.com, to: https://app.internal, allowed_users: [x]}
  - {name: API, account: b, from: https://api.example.com, to: https://api.internal, allowed_users: [x]}
services: {App: {share_with: [API]}}
`
  const { signersByService, sharedBy } = loadSound(text, { service: 'API' })
  assert.deepEqual([[...(signersByService.get('App') ?? [])], [...sharedBy]], [['a'], []])
})
