// Which version of HTTP a request goes on in, by what it came in and what stands at the end.
import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { ask, type Version } from './peers.ts'
import { startVersionedApp, type ServerVersion } from './versioned-app.ts'
import { startWay, allWays } from './ways.ts'

type Row = readonly [ServerVersion, string, Readonly<Partial<Record<Version, string>>>]

/** What a request that came in HTTP/1.1, and one that came in HTTP/2, is to the app; by Pomerium's schemes. */
const rows: readonly Row[] = [
  ['HTTP/1.1', 'http', { 'HTTP/1.1': '1.1', h2c: '1.1' }],
  ['h2c', 'http', { 'HTTP/1.1': 'upstream_invalid', h2c: '2.0' }],
  ['h2c', 'h2c', { 'HTTP/1.1': '2.0', h2c: '2.0' }],
  ['TLS', 'https', { 'HTTP/1.1': '1.1', h2c: '2.0' }],
  ['HTTP/1.1 alone over TLS', 'https', { 'HTTP/1.1': '1.1', h2c: '1.1' }],
  ['HTTP/2 alone over TLS', 'https', { 'HTTP/1.1': '2.0', h2c: '2.0' }],
]

for (const way of allWays) {
  for (const [spoken, scheme, expected] of rows) {
    test(`${way}, which speaks ${spoken}, at ${scheme}://`, async (t) => {
      const { origin } = await startVersionedApp(t, spoken, (request, response) => {
        response.end(request.httpVersion)
      })
      const { to } = await startWay(t, way, origin.replace(/^\w+/, scheme))
      for (const [client, version] of Object.entries(expected)) {
        const { headers, body } = await ask(t, client as Version, { ...to, path: '/' }).answered
        const answer = await text(body)
        assert.equal(headers['x-onbehalf-error'] ?? answer, version, `asked in ${client}`)
      }
    })
  }
}
