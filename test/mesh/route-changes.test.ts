// Pomerium's keys that change a call on its way, from an app to another service; and where a Pomerium makes the changes itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { rawValues, type TestApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

type Keys = Readonly<Record<string, unknown>>

const start = (t: TestContext, keys: Keys, run: ('App' | 'API')[] = ['App', 'API']) =>
  startMesh(t, { run, routes: { API: keys } })

interface Call {
  readonly target?: string
  readonly headers?: readonly string[]
}

const call = ({ sidecars }: TestMesh, { target = '/', headers = [] }: Call = {}) =>
  send({ port: sidecars.App.outbound, host: hosts.API, target, headers })

/** As the app's own handler does, which another one takes the place of. */
function note({ received }: TestApp, { method = '', url = '', rawHeaders, headers }: IncomingMessage): void {
  received.push({ method, url, rawHeaders, headers, body: '' })
}

test('the callee gets the call as a Pomerium would have sent it, with identity on it', async (t) => {
  const mesh = await start(t, {
    prefix: '/api',
    prefix_rewrite: '/v2',
    host_rewrite: 'inner.example.com',
    set_request_headers: { 'X-Tenant': 'shop' },
    remove_request_headers: ['X-Debug'],
    set_response_headers: { 'X-Frame-Options': 'DENY' },
    rewrite_response_headers: [{ header: 'Location', prefix: 'http://inner.example.com/', value: '/' }],
  })
  mesh.apps.API.handler = (received, response) => {
    note(mesh.apps.API, received)
    response.writeHead(201, { location: 'http://inner.example.com/made' }).end('made')
  }
  const headers = ['X-Debug', '1', 'X-Tenant', 'mine', 'X-Kept', 'yes']
  const answer = await call(mesh, { target: '/api/things?a=/api', headers })
  assert.equal(answer.status, 201, answer.body)
  const [received] = mesh.apps.API.received
  assert.equal(received?.url, '/v2/things?a=/api')
  const named = ['host', 'x-tenant', 'x-debug', 'x-kept', 'x-pomerium-authenticated-user-id']
  assert.deepEqual(
    named.map((name) => rawValues(received, name)),
    [['inner.example.com'], ['shop'], [], ['yes'], ['api-access']],
  )
  assert.deepEqual([answer.headers['x-frame-options'], answer.headers['location']], ['DENY', '/made'])
  assert.equal((await call(mesh, { target: '/v2/things' })).code, 'route_not_found')
})

test('a user who comes through a Pomerium comes with a path that is rewritten already', async (t) => {
  const mesh = await start(t, { prefix: '/api', prefix_rewrite: '/v2', allow_any_authenticated_user: true })
  const identity = ['X-Pomerium-Jwt-Assertion', await mesh.pomerium.assertion('alice', hosts.API)]
  const ask = (target: string) => send({ port: mesh.sidecars.API.inbound, target, headers: identity })
  assert.equal((await ask('/v2/things')).status, 200)
  assert.equal((await ask('/api/things')).code, 'route_not_found')
  assert.equal(mesh.apps.API.received[0]?.url, '/v2/things')
})

test('a path is rewritten by a pattern, and one that cannot be told is refused', async (t) => {
  const mesh = await start(t, {
    regex_rewrite_pattern: '^/tenants/([^/]+)/(.*)$',
    regex_rewrite_substitution: '/\\2/of/\\1',
  })
  assert.equal((await call(mesh, { target: '/tenants/shop/things?x' })).status, 200)
  assert.equal(mesh.apps.API.received[0]?.url, '/things/of/shop?x')
  assert.equal((await call(mesh, { target: '/tenants/shop/%2e%2e' })).code, 'request_ambiguous')
})

test('timeout is for the whole answer, idle_timeout for what does not go on', async (t) => {
  for (const [keys, idle] of [
    [{ timeout: '400ms' }, 50],
    [{ timeout: '0s', idle_timeout: '300ms' }, 2_000],
  ] as const) {
    const mesh = await start(t, keys)
    mesh.apps.API.handler = async (request, response) => {
      while (!request.socket.destroyed) {
        response.write('part')
        await pause(idle)
      }
    }
    const port = mesh.sidecars.App.outbound
    const asked = requestHttp({ host: '127.0.0.1', port, headers: { host: hosts.API } }).end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    assert.equal(answer.statusCode, 200)
    await assert.rejects(text(answer))
    mesh.apps.API.handler = async (_request, response) => {
      await pause(2_000)
      response.end()
    }
    const late = await call(mesh)
    assert.deepEqual([late.status, late.code], [504, 'upstream_timeout'])
  }
})

test('by way of a Pomerium the call goes as it is: that makes the changes', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: {
      API: {
        from: 'http://localhost:1',
        via: 'pomerium',
        prefix: '/api',
        prefix_rewrite: '/v2',
        set_request_headers: { 'X-Tenant': 'shop' },
        timeout: '100ms',
      },
    },
    services: { App: { credential: { token_file: 'token' } } },
    files: { token: 'a.b.c' },
  })
  const stand = mesh.apps.Ledger
  await mesh.writeMeshFile(({ routes }) => {
    Object.assign(routes.find(({ name }) => name === 'API') ?? {}, {
      from: stand.origin.replace('127.0.0.1', 'localhost'),
    })
  })
  await mesh.sidecars.App.sidecar.reload('the test says so')
  stand.handler = async (received, response) => {
    note(stand, received)
    await pause(400)
    response.end('served')
  }
  const answer = await send({ port: mesh.sidecars.App.outbound, host: 'localhost', target: '/api/things' })
  assert.equal(answer.body, 'served')
  const [received] = stand.received
  assert.deepEqual([received?.url, rawValues(received, 'x-tenant')], ['/api/things', []])
})

test('what is set is shown by its name alone', async (t) => {
  const mesh = await start(t, { set_request_headers: { 'X-Key': 'canary' } }, ['App'])
  const { admin } = mesh.sidecars.App
  const { body } = await send({ port: admin, host: `127.0.0.1:${admin}`, target: '/config' })
  assert.match(body, /X-Key/)
  assert.doesNotMatch(body, /canary/)
})
