// The attacker spells a listed host so that it passes for another, or another so that it passes for it, and wants the credential, or no rule.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityNames, startApp } from '../support/app.ts'
import { hosts, startMesh, type MeshOptions } from '../support/mesh.ts'
import { assertionName, forName, handleName, speak, verdict, callEachWay } from './attack.ts'

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
