// The attacker wants the sidecar to take a request for one host's, and the app for another's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hosts, startMesh } from '../support/mesh.ts'
import { assertionName, speak, verdict } from './attack.ts'

const hostsRefused: [name: string, lines: string[], line?: string][] = [
  ['no Host', []],
  ['an empty Host', ['Host:']],
  ['two Hosts', ['Host: a', 'Host: b']],
  ['the same Host twice', ['Host: a', 'host: a']],
  ['a list of Hosts', ['Host: a, b']],
  ['a blank in Host', ['Host: a b']],
  ['a path in Host', ['Host: a/b']],
  ['a query in Host', ['Host: a?b']],
  ['a fragment in Host', ['Host: a#b']],
  ['user information in Host', ['Host: root@a']],
  ['a backslash in Host', ['Host: a\\b']],
  ['an escape in Host', ['Host: %61']],
  ['a port that is none', ['Host: a:http']],
  ['port 0', ['Host: a:0']],
  ['port 65536', ['Host: a:65536']],
  ['two ports', ['Host: a:80:81']],
  ['a scheme in Host', ['Host: http://a']],
  ['a zone in Host', ['Host: [fe80::1%25eth0]']],
  ['an open bracket in Host', ['Host: [::1']],
  ['dots alone', ['Host: .']],
  ['two dots at the end', ['Host: a..']],
  ['a letter that is none of ASCII', ['Host: \xe9']],
  ['a null byte in Host', ['Host: a\0']],
  ['an absolute target without Host', [], 'GET http://a/ HTTP/1.1'],
  ['an absolute target of another host', ['Host: a'], 'GET http://b/ HTTP/1.1'],
  ['an absolute target of another port', ['Host: a'], 'GET http://a:81/ HTTP/1.1'],
  ['an absolute target of another scheme and so port', ['Host: a:80'], 'GET https://a/ HTTP/1.1'],
  ['an absolute target with a backslash', ['Host: a'], 'GET http://a\\@b/ HTTP/1.1'],
  ['an absolute target without a host', ['Host: a'], 'GET http:///a HTTP/1.1'],
]

test('a Host that is none, or one of several, is refused, also on a public route', async (t) => {
  const routes = { App: { policy: undefined, allow_public_unauthenticated_access: true } }
  const mesh = await startMesh(t, { run: ['App'], routes })
  for (const [name, lines, line = 'GET / HTTP/1.1'] of hostsRefused) {
    await t.test(name, async () => {
      mesh.apps.App.received.length = 0
      const bytes = `${[line, ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`
      assert.match(verdict(await speak(mesh.sidecars.App.inbound, bytes)), /^request_(malformed|ambiguous)$/)
      assert.equal(mesh.apps.App.received.length, 0)
    })
  }
})

test('no Host of a client chooses for whom its assertion is', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const host of [hosts.API, hosts.Ledger, 'evil.example.com', `${hosts.App}.`, '127.0.0.1:1']) {
    const [name, token] = [assertionName, await mesh.pomerium.assertion('alice', hosts.API)]
    const lines = [`Host: ${host}`, `X-Forwarded-Host: ${hosts.API}`, `${name}: ${token}`]
    const bytes = `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'assertion_audience')
  }
  assert.deepEqual(mesh.apps.App.received, [])
})
