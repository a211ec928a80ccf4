// The attacker makes the app call an address of his choice, and wants to reach around a sidecar, or the sidecar itself.
import assert from 'node:assert/strict'
import { hostname, networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { hosts, startMesh } from '../support/mesh.ts'
import { closed, open, speak, untilIdle, verdict, callEachWay } from './attack.ts'

const localSpellings = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.255.255.254',
  '0x7f000001',
  '0x7f.1',
  '0X7F.0.0.1',
  '2130706433',
  '017700000001',
  '0177.0.0.1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '000.000.000.000',
  '0x0',
  'localhost',
  'LOCALHOST',
  'LocalHost',
  'localhost.',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[0::1]',
  '[::0001]',
  '[::ffff:127.0.0.1]',
  '[::FFFF:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::ffff:0.0.0.0]',
  '[::ffff:0:0]',
  '169.254.169.254',
  '[::ffff:169.254.169.254]',
  '0xa9fea9fe',
  '2852039166',
  '[fe80::1]',
  '[febf::1]',
  '[fd00:ec2::254]',
  '[FD00:0EC2:0:0:0:0:0:0254]',
  '[fd20:ce::254]',
]

const ownAddresses = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address))
const ownMapped = ownAddresses
  .filter((address) => !address.startsWith('['))
  .map((address) => `[::ffff:${address}]`)

test('no spelling of a local address reaches around a sidecar', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const host of [...localSpellings, ...ownAddresses, ...ownMapped]) {
    await t.test(host, async () => {
      mesh.apps.API.received.length = 0
      assert.deepEqual(await callEachWay(mesh, host, mesh.apps.API.port), [
        'egress_denied',
        'egress_denied',
        'egress_denied',
      ])
      assert.equal(mesh.apps.API.received.length, 0)
    })
  }
})

test('an address of the wrong family in brackets is no host at all', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const answer of await callEachWay(mesh, '[127.0.0.1]', mesh.apps.API.port)) {
    assert.equal(answer, 'request_malformed')
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('nor does a name that stands for one', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const name of [hostname(), `${hostname()}.`]) {
    // Where a machine does not know its own name, the call is refused all the same: it cannot be made.
    for (const answer of await callEachWay(mesh, name, mesh.apps.API.port)) {
      assert.match(answer, /^(egress_denied|upstream_refused)$/, name)
    }
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test("the sidecar's own ports are misdirected, in every spelling, though local calls are allowed", async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const { inbound, outbound, admin, probes } = mesh.sidecars.App
  for (const host of ['127.0.0.1', 'localhost', '0x7f000001', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
    for (const port of [inbound, outbound, admin, probes]) {
      assert.deepEqual(
        await callEachWay(mesh, host, port),
        ['route_not_found', 'route_not_found', 'route_not_found'],
        `${host}:${port}`,
      )
    }
  }
})

test('a loop through the own outbound listener ends at once', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const { outbound } = mesh.sidecars.App
  const inner = `GET http://127.0.0.1:${outbound}/ HTTP/1.1\r\nHost: 127.0.0.1:${outbound}\r\n\r\n`
  const bytes = `CONNECT 127.0.0.1:${outbound} HTTP/1.1\r\nHost: x\r\n\r\n${inner}`
  assert.match(await speak(outbound, bytes), /^HTTP\/1\.1 421 /)
  await untilIdle(mesh.sidecars.App)
})

const noTunnel: [name: string, line: string][] = [
  ['no port', `CONNECT ${hosts.API} HTTP/1.1`],
  ['a scheme', `CONNECT http://${hosts.API}:443 HTTP/1.1`],
  ['a path', `CONNECT ${hosts.API}:443/ HTTP/1.1`],
  ['user information', `CONNECT x@${hosts.API}:443 HTTP/1.1`],
  ['port 0', `CONNECT example.test:0 HTTP/1.1`],
  ['port 65536', `CONNECT example.test:65536 HTTP/1.1`],
  ['no host', `CONNECT :443 HTTP/1.1`],
  ['a star', `CONNECT * HTTP/1.1`],
]
for (const [name, line] of noTunnel) {
  test(`CONNECT with ${name} makes no tunnel`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const answer = await speak(mesh.sidecars.App.outbound, `${line}\r\nHost: a\r\n\r\n`)
    assert.equal(verdict(answer), 'request_malformed')
  })
}

test('CONNECT is judged by its target, whatever Host says', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const bytes = `CONNECT ${hosts.API}:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n`
  assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'call_not_allowed')
  const local = `CONNECT 127.0.0.1:${mesh.apps.API.port} HTTP/1.1\r\nHost: example.test\r\n\r\n`
  assert.equal(verdict(await speak(mesh.sidecars.App.outbound, local)), 'egress_denied')
})

test('what is denied now is denied also to connections that were made while it was allowed', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const call = async () => {
    const bytes = `GET / HTTP/1.1\r\nHost: localhost:${mesh.apps.API.port}\r\nConnection: close\r\n\r\n`
    return verdict(await speak(mesh.sidecars.App.outbound, bytes))
  }
  assert.equal(await call(), 'HTTP/1.1 200 OK')
  await mesh.writeMeshFile((file) => {
    file['egress'] = { local: 'deny' }
  })
  await mesh.sidecars.App.sidecar.reload('egress')
  assert.equal(await call(), 'egress_denied')
})

test('a tunnel does not outlive the sidecar that made it', async (t) => {
  const settings = { egress: { local: 'allow' }, timeouts: { drain: '1s' } }
  const mesh = await startMesh(t, { run: ['App'], settings })
  const socket = await open(mesh.sidecars.App.outbound)
  const answered = new Promise((resolve) => socket.once('data', resolve))
  socket.write(`CONNECT 127.0.0.1:${mesh.apps.API.port} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await answered
  await mesh.sidecars.App.sidecar.stop()
  await closed(socket, 'after the stop')
})
