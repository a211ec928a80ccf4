// What becomes of paths, hosts and headers on a route that changes them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadMesh } from '../../shared/config/load.ts'
import type { Route } from '../../shared/config/mesh.ts'
import {
  changedPath,
  changedRequest,
  changedResponse,
  type RouteChanges,
} from '../../shared/route-changes.ts'
import { refusalOf } from '../support/tokens.ts'

type Keys = Readonly<Record<string, unknown>>

function routeWith(keys: Keys): Route {
  const route = {
    name: 'API',
    from: 'https://api.example.com',
    to: 'http://127.0.0.1:15006',
    allow_any_authenticated_user: true,
    ...keys,
  }
  const issuers = [
    { issuer: 'hostOnly', jwks: 'https://authenticate.example.com/jwks.json', single_use: true },
  ]
  const text = JSON.stringify({
    issuers,
    routes: [route],
    services: { API: { app: 'http://127.0.0.1:8080' } },
  })
  const { mesh, problems } = loadMesh({ file: 'f', text })
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  )
  return mesh?.routes[0] ?? assert.fail('no route')
}

const changesOf = (keys: Keys): RouteChanges => routeWith(keys).changes ?? assert.fail('no changes')

const paths: readonly [keys: Keys, path: string, becomes: string][] = [
  [{ prefix: '/admin', prefix_rewrite: '/' }, '/admin', '/'],
  [{ prefix: '/admin', prefix_rewrite: '/' }, '/admin/users?a=/admin', '/users?a=/admin'],
  [{ prefix: '/admin/', prefix_rewrite: '/' }, '/admin/users', '/users'],
  [{ prefix: '/admin/', prefix_rewrite: '/v2' }, '/admin/users', '/v2/users'],
  [{ prefix: '/admin', prefix_rewrite: '/v2' }, '/admin/users', '/v2/users'],
  [{ prefix: '/admin', prefix_rewrite: '/v2/' }, '/admin/users', '/v2/users'],
  [{ prefix: '/v1-', prefix_rewrite: '/v2-' }, '/v1-users', '/v2-users'],
  [{ prefix_rewrite: '/base' }, '/users', '/base/users'],
  [{ prefix_rewrite: '/base/' }, '/', '/base/'],
  [{ prefix: '/grüße', prefix_rewrite: '/hello' }, '/gr%C3%BC%C3%9Fe/x%20y', '/hello/x%20y'],
  [{ path: '/old', prefix_rewrite: '/new' }, '/old?q', '/new?q'],
  [{ prefix_rewrite: '/base' }, '*', '*'],
  [
    { regex_rewrite_pattern: '^/service/([^/]+)(/.*)$', regex_rewrite_substitution: '\\2/instance/\\1' },
    '/service/a/b?c',
    '/b/instance/a?c',
  ],
  [{ regex_rewrite_pattern: '^/v1/', regex_rewrite_substitution: '/\\\\0/' }, '/v2/x', '/v2/x'],
]
for (const [keys, path, becomes] of paths) {
  test(`${JSON.stringify(keys)} makes ${becomes} of ${path}`, () => {
    assert.equal(changedPath(changesOf(keys), path), becomes)
  })
}

const uncertain: readonly [keys: Keys, path: string][] = [
  [{ prefix: '/admin', prefix_rewrite: '/v2' }, '/%61dmin/users'],
  [{ prefix: '/a', prefix_rewrite: '/b/.' }, '/a./x'],
  [{ regex_rewrite_pattern: '^/a/(.*)$', regex_rewrite_substitution: '/\\1' }, '/a//x'],
  [{ regex_rewrite_pattern: '^/a/(.*)$', regex_rewrite_substitution: '\\1' }, '/a/x'],
  [{ regex_rewrite_pattern: '^/a/(.*)$', regex_rewrite_substitution: '/b?\\1' }, '/a/x'],
]
for (const [keys, path] of uncertain) {
  test(`${JSON.stringify(keys)} refuses ${path}`, () => {
    assert.equal(
      refusalOf(() => changedPath(changesOf(keys), path)),
      'request_ambiguous',
    )
  })
}

const arriving = (keys: Keys) => routeWith(keys).arriving

test('where requests are served they are known by what is left of their paths', () => {
  assert.deepEqual(arriving({ prefix: '/a', prefix_rewrite: '/b' }), { kind: 'prefix', prefix: '/b' })
  assert.deepEqual(arriving({ path: '/a', prefix_rewrite: '/b' }), { kind: 'path', path: '/b' })
  assert.deepEqual(arriving({ prefix: '/a' }), { kind: 'prefix', prefix: '/a' })
  const regex = { regex_rewrite_pattern: '^/a', regex_rewrite_substitution: '/b' }
  assert.deepEqual(arriving({ prefix: '/a', ...regex }), { kind: 'any' })
})

const sent = ['Host', 'api.example.com', 'X-Host', 'other.example.com:81', 'x-a', '1', 'X-A', '2']
const hosts: readonly [keys: Keys, path: string, host: string][] = [
  [{ host_rewrite: 'inner:8443' }, '/', 'inner:8443'],
  [{ host_rewrite_header: 'X-HOST' }, '/', 'other.example.com:81'],
  [{ host_rewrite_header: 'X-None' }, '/', 'api.example.com'],
  [
    { host_path_regex_rewrite_pattern: '^/([^/]+)/.*$', host_path_regex_rewrite_substitution: '\\1' },
    '/tenant.example.com/x?y',
    'tenant.example.com',
  ],
]
for (const [keys, path, host] of hosts) {
  test(`${JSON.stringify(keys)} makes ${host} the host`, () => {
    assert.deepEqual(changedRequest(changesOf(keys), sent, path), ['Host', host, ...sent.slice(2)])
  })
}

test('what the request says is its host must be one', () => {
  const changes = changesOf({ host_rewrite_header: 'X-Host' })
  for (const host of ['a b', 'a/b', 'user@a', '']) {
    assert.equal(
      refusalOf(() => changedRequest(changes, ['Host', 'a', 'X-Host', host], '/')),
      'request_malformed',
    )
  }
})

test('headers are set in place of all of their name, then removed', () => {
  const set = { 'X-A': 'costs $$1', 'X-B': 'b' }
  const changes = changesOf({ set_request_headers: set, remove_request_headers: ['x-b', 'X-HOST'] })
  assert.deepEqual(changedRequest(changes, sent, '/'), ['Host', 'api.example.com', 'X-A', 'costs $1'])
})

test('headers of answers are set, and the beginning of others replaced', () => {
  const changes = changesOf({
    set_response_headers: { 'X-Frame-Options': 'DENY' },
    rewrite_response_headers: [{ header: 'Location', prefix: 'http://inner/', value: 'https://outer/' }],
  })
  assert.deepEqual(
    changedResponse(changes, [
      'x-frame-options',
      'ALLOW',
      'location',
      'http://inner/a',
      'Location',
      'http://else/',
    ]),
    ['location', 'https://outer/a', 'Location', 'http://else/', 'X-Frame-Options', 'DENY'],
  )
})

test('without any of these keys nothing is changed', () => {
  assert.equal(routeWith({}).changes, undefined)
  assert.equal(routeWith({ set_request_headers: {}, remove_request_headers: [] }).changes, undefined)
})
