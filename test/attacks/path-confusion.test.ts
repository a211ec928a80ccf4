// The attacker wants a path that the policy, or the choice of the route, reads as an open one and the app as a closed one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { asUser, speak, verdict } from './attack.ts'

/** Everybody of the company may read what is public; only root may go elsewhere. */
const byPolicy: MeshOptions = {
  run: ['App'],
  routes: {
    App: {
      policy: [
        { allow: { and: [{ domain: 'companydomain.com' }, { http_path: { starts_with: '/public/' } }] } },
        { allow: { or: [{ user: 'root' }] } },
      ],
    },
  },
}

/** The same as a deny rule. */
const byDenial: MeshOptions = {
  run: ['App'],
  routes: {
    App: {
      policy: [
        { allow: { or: [{ domain: 'companydomain.com' }] } },
        { deny: { and: [{ http_path: { starts_with: '/admin' } }] } },
      ],
    },
  },
}

/** The same by a route of its own for each part. */
const byPrefix: MeshOptions = {
  run: ['App'],
  routes: { App: { prefix: '/public/' } },
  moreRoutes: [
    {
      name: 'Admin',
      service: 'App',
      from: `https://${hosts.App}`,
      to: 'http://127.0.0.1:1',
      prefix: '/admin',
      policy: [{ allow: { or: [{ user: 'root' }] } }],
    },
  ],
}

const byRegex: MeshOptions = { run: ['App'], routes: { App: { regex: '/public/[a-z]*' } } }
const byPath: MeshOptions = { run: ['App'], routes: { App: { path: '/public/' } } }

const climbs = [
  '/public/../admin',
  '/public/./../admin',
  '/public/..',
  '/public/../',
  '/./admin',
  '/../admin',
  '//admin',
  '/public//../admin',
  '///admin',
  '/public/%2e%2e/admin',
  '/public/%2E%2E/admin',
  '/public/.%2e/admin',
  '/public/%2e./admin',
  '/public/..%2fadmin',
  '/public/..%2Fadmin',
  '/public%2f..%2fadmin',
  '/public/%2e%2e%2fadmin',
  '/public/%252e%252e/admin',
  '/public/%252e%252e%252fadmin',
  '/public/%25252e%25252e/admin',
  '/public/..%5cadmin',
  '/public/..\\admin',
  '/public\\..\\admin',
  '/public/%5c..%5cadmin',
  '/public/..;/admin',
  '/public/..;x=1/admin',
  '/public/.;/../admin',
  '/public/..%3b/admin',
  '/public/..%253b/admin',
  '/public/%c0%ae%c0%ae/admin',
  '/public/%c0%ae%c0%ae%c0%afadmin',
  '/public/%e0%80%ae%e0%80%ae/admin',
  '/public/%u002e%u002e/admin',
  '/public/%%32%65%%32%65/admin',
  '/public/..%00/admin',
  '/public/%00/../admin',
  '/admin%00/public/',
  '/public/..%0d/admin',
  '/public/..%09/admin',
  '/public/.%0a./admin',
  '/public/%2e%2e?/public/',
  '/public/..%c0%af/admin',
]

async function ask(mesh: TestMesh, target: string): Promise<string> {
  const [name, token] = await asUser(mesh, 'alice')
  const lines = [`GET ${target} HTTP/1.1`, 'Host: a', `${name}: ${token}`, 'Connection: close']
  return verdict(await speak(mesh.sidecars.App.inbound, `${lines.join('\r\n')}\r\n\r\n`))
}

const readers: [name: string, options: MeshOptions][] = [
  ['a policy that allows by path', byPolicy],
  ['a policy that denies by path', byDenial],
  ['routes by prefix', byPrefix],
  ['a route by regex', byRegex],
  ['a route by path', byPath],
]
for (const [name, options] of readers) {
  test(`${name}: no path that can be read in two ways reaches the app`, async (t) => {
    const mesh = await startMesh(t, options)
    for (const target of climbs) {
      await t.test(target, async () => {
        mesh.apps.App.received.length = 0
        assert.equal(await ask(mesh, target), 'request_ambiguous')
        assert.equal(mesh.apps.App.received.length, 0)
      })
    }
  })
}

test('a fragment is never a part of a path, whether the path is read or not', async (t) => {
  for (const options of [byPolicy, byDenial, byPrefix, { run: ['App'] } as const]) {
    const mesh = await startMesh(t, options)
    for (const target of ['/public/#/../admin', '/admin#/public/', '/public/#', '/public/?#x']) {
      assert.equal(await ask(mesh, target), 'request_malformed', target)
    }
  }
})

const closedSpellings = [
  '/admin',
  '/admin/',
  '/admin?x=/public/',
  '/%61dmin',
  '/%61%64%6d%69%6e',
  '/admi%6e/x',
  '/admin;x',
  '/admin%3bx',
  '/admin%20',
  '/admin%3f',
]
test('what is plainly closed is closed in every spelling that is one path', async (t) => {
  const [allowing, denying, prefixed] = [
    await startMesh(t, byPolicy),
    await startMesh(t, byDenial),
    await startMesh(t, byPrefix),
  ]
  for (const target of closedSpellings) {
    for (const mesh of [allowing, denying, prefixed]) {
      assert.equal(await ask(mesh, target), 'policy_denied', target)
      assert.equal(mesh.apps.App.received.length, 0)
    }
  }
})

test('a query opens nothing: only what stands before the first ? is the path', async (t) => {
  const mesh = await startMesh(t, byPolicy)
  for (const target of [
    '/admin?/public/',
    '/admin?/../public/',
    '/admin?x=1&y=/public/',
    '/?/public/',
    '/admin??/public/',
  ]) {
    assert.equal(await ask(mesh, target), 'policy_denied', target)
  }
  assert.equal(await ask(mesh, '/public/x?/../../admin'), 'HTTP/1.1 200 OK')
  assert.equal(mesh.apps.App.received[0]?.url, '/public/x?/../../admin')
})

test('an open path in another case is not that path', async (t) => {
  const [allowing, prefixed] = [await startMesh(t, byPolicy), await startMesh(t, byPrefix)]
  for (const target of ['/PUBLIC/', '/Public/x', '/publi%43/']) {
    assert.equal(await ask(allowing, target), 'policy_denied', target)
    assert.equal(await ask(prefixed, target), 'route_not_found', target)
  }
})

test('a prefix is no name of a neighbour, and a regex matches the whole path', async (t) => {
  const [prefixed, matched, exact] = [
    await startMesh(t, byPrefix),
    await startMesh(t, byRegex),
    await startMesh(t, byPath),
  ]
  assert.equal(await ask(prefixed, '/public'), 'route_not_found')
  assert.equal(await ask(prefixed, '/publicity'), 'route_not_found')
  assert.equal(await ask(matched, '/public/a/admin'), 'route_not_found')
  assert.equal(await ask(matched, '/x/public/a'), 'route_not_found')
  assert.equal(await ask(matched, '/public/a%0a'), 'request_ambiguous')
  assert.equal(await ask(exact, '/public/x'), 'route_not_found')
})

test('the absolute form is read by its path, and by that alone', async (t) => {
  const mesh = await startMesh(t, byPolicy)
  assert.equal(await ask(mesh, 'http://a/admin'), 'policy_denied')
  assert.equal(await ask(mesh, 'http://a/public/../admin'), 'request_ambiguous')
  assert.equal(await ask(mesh, 'http://a?/public/'), 'policy_denied')
  assert.equal(await ask(mesh, 'http://a//public/'), 'request_ambiguous')
  assert.equal(await ask(mesh, 'http://a/public/x'), 'HTTP/1.1 200 OK')
  assert.equal(mesh.apps.App.received[0]?.url, '/public/x')
})

test('a method in another spelling does not get past a rule about methods', async (t) => {
  const policy = [
    { allow: { or: [{ domain: 'companydomain.com' }] } },
    { deny: { or: [{ http_method: 'DELETE' }] } },
  ]
  const mesh = await startMesh(t, { run: ['App'], routes: { App: { policy } } })
  const port = mesh.sidecars.App.inbound
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port, method: 'DELETE', headers })).code, 'policy_denied')
  for (const method of ['delete', 'Delete', 'DELETE\t']) {
    const bytes = `${method} / HTTP/1.1\r\nHost: a\r\n${headers.join(': ')}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(port, bytes)), 'request_malformed')
  }
  const overrides = [...headers, 'X-HTTP-Method-Override', 'GET', 'X-HTTP-Method', 'GET']
  assert.equal((await send({ port, method: 'DELETE', headers: overrides })).code, 'policy_denied')
})

test('on the way out, a path that can be read in two ways gets no credential of another route of the host', async (t) => {
  const write = {
    name: 'Write',
    service: 'API',
    from: `https://${hosts.API}`,
    to: 'http://127.0.0.1:1',
    prefix: '/admin',
    policy: [{ allow: { or: [{ user: 'api-access' }] } }],
  }
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    routes: { API: { prefix: '/public/' } },
    moreRoutes: [write],
    services: { App: { calls: ['API'] } },
  })
  const call = async (target: string) => {
    const bytes = `GET ${target} HTTP/1.1\r\nHost: ${hosts.API}\r\nConnection: close\r\n\r\n`
    return verdict(await speak(mesh.sidecars.App.outbound, bytes))
  }
  for (const target of climbs) assert.equal(await call(target), 'request_ambiguous', target)
  assert.equal(await call('/admin'), 'call_not_allowed')
  assert.equal(await call('/%61dmin'), 'call_not_allowed')
  assert.equal(await call('/public/x'), 'HTTP/1.1 200 OK')
  assert.equal(mesh.apps.API.received.length, 1)
})
