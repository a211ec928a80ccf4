// Where a sidecar listens: lists of addresses of both families, and when it counts as open.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'

test('all addresses of both families are served on one port, and those of IPv4 by their own server', async (t) => {
  const [inbound, outbound, probes] = (await freePorts(3)) as [number, number, number]
  const listen = {
    inbound: [`0.0.0.0:${inbound}`, `[::]:${inbound}`],
    outbound: [`127.0.0.1:${outbound}`, `[::1]:${outbound}`],
    admin: '127.0.0.1:0',
    probes: [`[::]:${probes}`, `0.0.0.0:${probes}`],
  }
  const mesh = await startMesh(t, { run: ['App'], services: { App: { listen } } })
  for (const host of ['127.0.0.1', '::1']) {
    assert.equal((await send({ port: probes, hostname: host, target: '/livez' })).status, 200)
    const refused = await send({ port: inbound, hostname: host })
    assert.equal(refused.code, 'assertion_missing')
    assert.equal((await send({ port: outbound, hostname: host, host: '127.0.0.1:9' })).code, 'egress_denied')
  }
  const families = mesh.sidecars.App.sidecar.addresses.inbound.map(({ address, family }) => [family, address])
  assert.deepEqual(families, [
    ['IPv4', '0.0.0.0'],
    ['IPv6', '::'],
  ])
})

const nowhere = '[2001:db8::1]:0'
const listenAt = (inbound: string | readonly string[]) => ({
  App: { listen: { inbound, outbound: '127.0.0.1:0', admin: '127.0.0.1:0', probes: '127.0.0.1:0' } },
})

test('an IPv6 address that this machine lacks is left out beside another, with a warning', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], services: listenAt(['127.0.0.1:0', nowhere]) })
  const { sidecar, logs } = mesh.sidecars.App
  assert.deepEqual(
    sidecar.addresses.inbound.map(({ address }) => address),
    ['127.0.0.1'],
  )
  const warning = logs.find((line) => line.includes('no such IPv6 address')) ?? '{}'
  assert.equal((JSON.parse(warning) as { address?: string }).address, nowhere)
  await sidecar.stop()
})

test('alone such an address cannot be bound, nor an IPv4 address that is not there beside another', async (t) => {
  await assert.rejects(
    startMesh(t, { run: ['App'], services: listenAt(nowhere) }),
    /EADDRNOTAVAIL.*2001:db8::1/,
  )
  const beside = listenAt(['[::1]:0', '192.0.2.1:0'])
  await assert.rejects(startMesh(t, { run: ['App'], services: beside }), /EADDRNOTAVAIL.*192\.0\.2\.1/)
})

test("the probes listener asks the app's own probes, without an assertion and past its policy", async (t) => {
  const app = await startApp(
    (request, response) => void response.writeHead(request.url === '/up' ? 200 : 500).end(),
  )
  t.after(() => app.close())
  const probes = {
    '/app-probes/web/liveness': { http: { port: app.port, path: '/up' } },
    '/app-probes/web/readiness': { http: { port: app.port, path: '/down' } },
  }
  const mesh = await startMesh(t, { run: ['App'], env: { ONBEHALF_APP_PROBES: JSON.stringify(probes) } })
  const port = mesh.sidecars.App.probes
  const statuses = Object.keys(probes).map(async (target) => (await send({ port, target })).status)
  assert.deepEqual(await Promise.all(statuses), [200, 503])
  const { body } = await send({ port, target: '/metrics' })
  assert.match(
    body,
    /^onbehalf_app_probes_total\{path="\/app-probes\/web\/readiness",outcome="failure"\} 1$/m,
  )
})
