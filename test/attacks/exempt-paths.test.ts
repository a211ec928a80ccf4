// The attacker asks for a path that other proxies let through unasked, such as one of health or metrics, and wants in without an assertion.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { forName, handleName, speak, verdict } from './attack.ts'

const targets = [
  '/healthz',
  '/healthz/ready',
  '/livez',
  '/ready',
  '/readyz',
  '/ping',
  '/metrics',
  '/v1.0/healthz',
  '/.well-known/jwks.json',
  '/.well-known/pomerium/jwks.json',
  '/.pomerium/',
  '/.pomerium/jwt',
  '/oauth2/callback',
  '/oauth2/sign_in',
  '/favicon.ico',
  '/robots.txt',
  '/app-health/app/livez',
  '/admin/healthz',
  '/x?/healthz',
  '/x/..%2fhealthz',
  '/grpc.health.v1.Health/Check',
  '/config',
  '/drained',
]

test('no path of the app is open without an assertion, whatever it is called', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const port = mesh.sidecars.App.inbound
  for (const target of targets) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) {
      const { status, code } = await send({ port, method, target })
      assert.deepEqual([status, code], [401, 'assertion_missing'], `${method} ${target}`)
    }
  }
  const probe = { port, target: '/healthz', host: '127.0.0.1' }
  for (const headers of [
    ['User-Agent', 'kube-probe/1.34'],
    ['User-Agent', 'GoogleHC/1.0'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['Content-Type', 'application/grpc'],
    [forName, 'a.b.c'],
    [handleName, 'a'],
  ]) {
    assert.equal((await send({ ...probe, headers })).code, 'assertion_missing', headers.join(': '))
  }
  assert.deepEqual(mesh.apps.App.received, [])
})

test('nor by the absolute form, or by a host that is called so', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const line of ['GET http://healthz/ HTTP/1.1\r\nHost: healthz', 'GET / HTTP/1.1\r\nHost: healthz']) {
    const bytes = `${line}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'assertion_missing')
  }
  assert.deepEqual(mesh.apps.App.received, [])
})
