// The attacker makes the app call an address of his choice, and wants to reach around a sidecar, or to get what only a listed host should get.
import assert from 'node:assert/strict'
import { hostname, networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { identityNames, startApp } from '../support/app.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, closed, forName, handleName, open, speak, untilIdle, verdict } from './attack.ts'

/** Calls by Host, by the absolute form, and by CONNECT. */
async function callEachWay(mesh: TestMesh, host: string, port: number): Promise<string[]> {
  const authority = `${host}:${port}`
  const ways = [`GET / HTTP/1.1`, `GET http://${authority}/ HTTP/1.1`, `CONNECT ${authority} HTTP/1.1`]
  const answers: string[] = []
  for (const line of ways) {
    const bytes = `${line}\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`
    answers.push(verdict(await speakOnce(mesh.sidecars.App.outbound, bytes)))
  }
  return answers
}

/** Like {@link speak}, but for a tunnel, which stays open: ends it when it is made. */
async function speakOnce(port: number, bytes: string): Promise<string> {
  const socket = await open(port)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    answer += part
    if (answer.includes(' 200 Connection Established')) socket.destroy()
  })
  socket.write(bytes, 'latin1')
  await closed(socket)
  return answer
}

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
  '[127.0.0.1]',
  '169.254.169.254',
  '[::ffff:169.254.169.254]',
  '0xa9fea9fe',
  '2852039166',
  '[fe80::1]',
  '[febf::1]',
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
      assert.deepEqual(await callEachWay(mesh, host, mesh.apps.API.port), [
        'egress_denied',
        'egress_denied',
        'egress_denied',
      ])
      assert.equal(mesh.apps.API.received.length, 0)
    })
  }
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

const apiOnlyForLedger: MeshOptions = {
  run: ['App'],
  settings: { egress: { local: 'allow' } },
  routes: { API: { aliases: ['localhost'] } },
  services: { App: { calls: ['Ledger'] } },
}

const listedSpellings = [
  'localhost',
  'LOCALHOST',
  'lOcAlHoSt',
  'localhost.',
  'LOCALHOST.',
  hosts.API,
  hosts.API.toUpperCase(),
  `${hosts.API}.`,
]
test('a listed host in any spelling is the listed host: its rules count, and nothing passes it in a tunnel', async (t) => {
  const mesh = await startMesh(t, apiOnlyForLedger)
  for (const host of listedSpellings) {
    assert.deepEqual(
      await callEachWay(mesh, host, mesh.apps.API.port),
      ['call_not_allowed', 'call_not_allowed', 'call_not_allowed'],
      host,
    )
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

const odd = [
  'localhost..',
  '.localhost',
  'local%68ost',
  'localhost%2e',
  'localhost%00',
  'localhost\\',
  'a@localhost',
  'localhost@localhost',
  'localhost#',
  'localhost?',
  'loc\xa0alhost',
  '[localhost]',
  'localhost,localhost',
  'localhost:1',
]
test('what is no spelling of a host goes nowhere', async (t) => {
  const mesh = await startMesh(t, apiOnlyForLedger)
  for (const host of odd) {
    for (const answer of await callEachWay(mesh, host, mesh.apps.API.port)) {
      assert.match(answer, /^(request_malformed|upstream_refused)$/, host)
    }
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('two dots at the end are no host, not an unlisted one: to DNS it would be the listed one', async (t) => {
  const mesh = await startMesh(t, apiOnlyForLedger)
  assert.deepEqual(await callEachWay(mesh, `${hosts.API}..`, mesh.apps.API.port), [
    'request_malformed',
    'request_malformed',
    'request_malformed',
  ])
})

const addressSpellings = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '127.0.0.01',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
]
test('a listed address in another spelling is still the listed host, and not an unlisted one', async (t) => {
  const routes = { API: { aliases: ['127.0.0.1'] } }
  const mesh = await startMesh(t, { ...apiOnlyForLedger, routes })
  for (const host of addressSpellings) {
    for (const answer of await callEachWay(mesh, host, mesh.apps.API.port)) {
      assert.match(answer, /^(call_not_allowed|request_malformed)$/, host)
    }
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('a listed IPv6 address in another spelling is still the listed host', async (t) => {
  const routes = { API: { aliases: ['::1'] } }
  const mesh = await startMesh(t, { ...apiOnlyForLedger, routes })
  for (const host of ['[::1]', '[0:0:0:0:0:0:0:1]', '[0::1]', '[::0001]', '[::0.0.0.1]']) {
    for (const answer of await callEachWay(mesh, host, mesh.apps.API.port)) {
      assert.match(answer, /^(call_not_allowed|request_malformed)$/, host)
    }
  }
})

test('a listed host on another port, or by https, is the listed host, and its credential goes to it alone', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], settings: { egress: { local: 'allow' } } })
  const trap = await startApp()
  t.after(() => trap.close())
  for (const target of [`http://${hosts.API}:${trap.port}/`, `https://${hosts.API}:${trap.port}/`]) {
    const bytes = `GET ${target} HTTP/1.1\r\nHost: ${hosts.API}:${trap.port}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'HTTP/1.1 200 OK')
  }
  assert.equal(mesh.apps.API.received.length, 2)
  assert.equal(trap.received.length, 0)
})

const notListed = [
  `${hosts.API}.evil.test`,
  `evil-${hosts.API}`,
  `x.${hosts.API}`,
  `${hosts.API}-`,
  hosts.API.slice(1),
]
test('a host that only resembles a listed one is none: it gets no credential', async (t) => {
  const settings = { egress: { unlisted: 'deny' } }
  const mesh = await startMesh(t, { run: ['App', 'API'], settings })
  for (const host of notListed) {
    const bytes = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'egress_denied', host)
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('no identity of any name goes to an unlisted host, by no way of sending it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const trap = await startApp()
  t.after(() => trap.close())
  const names = [
    assertionName,
    forName,
    handleName,
    'X-Pomerium-Authorization',
    'X-Onbehalf-Via',
    'X-Pomerium-Original-User-Id',
  ]
  const spellings = names.flatMap((name) => [
    name,
    name.toUpperCase(),
    name.replaceAll('-', '_'),
    name.replaceAll('-', '.'),
  ])
  for (const name of new Set(spellings)) {
    const lines = [`${name}: secret`, `Connection: close, ${name}`, 'Proxy-Authorization: secret']
    const bytes = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${trap.port}\r\n${lines.join('\r\n')}\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.outbound, bytes)), 'HTTP/1.1 200 OK')
    assert.deepEqual(identityNames(trap.received.at(-1)), [], name)
    assert.equal(trap.received.at(-1)?.rawHeaders.includes('secret'), false, name)
  }
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
