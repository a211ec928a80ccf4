// A browser whose proxy is the outbound listener, as that of a service which renders pages would be.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { hosts } from '../support/mesh.ts'
import { arrived, createPageApp, eventCount, openBrowser, pageParts, wholePage } from './browser.ts'
import { deadlineMs, missingProgram } from './child.ts'
import { startWays, type Way, type Ways } from './ways.ts'

const options = { skip: missingProgram('chromium') ?? false, timeout: 4 * deadlineMs }

test('a browser whose proxy is the outbound listener', options, async (t) => {
  const ways = await startWays(t, createPageApp)
  await t.test('in one window', (visiting) => visit(visiting, ways))
})

async function visit(t: TestContext, { all, caPin }: Ways): Promise<void> {
  const [, toARoute, elsewhere, byTunnel] = all as [Way, Way, Way, Way]
  const { proxy, origin } = toARoute
  const page = await openBrowser(t, { proxy, origin, caPin })
  t.beforeEach(() => {
    for (const { app } of all) app.received.splice(0)
  })

  for (const way of [toARoute, elsewhere, byTunnel]) {
    await t.test(`${way.name}: a page arrives with its parts, and each tells the same identity`, async () => {
      await page.setHeaders(way.headers)
      assert.equal(await page.goto(`${way.origin}/page.html`), '')
      assert.deepEqual(await page.evaluate('sees.page()'), wholePage)
      assert.deepEqual(arrived(way.app), pageParts)
      way.app.received.forEach(way.checkIdentity)
    })

    await t.test(`${way.name}: server-sent events arrive one by one`, async () => {
      const expected = Array.from({ length: eventCount }, (_, i) => String(i + 1))
      assert.deepEqual(await page.evaluate(`sees.events(${eventCount})`), expected)
    })
  }

  await t.test('a page of a route that names no user is the service account’s', async () => {
    await page.setHeaders([])
    await page.goto(`${origin}/page.html`)
    for (const received of toARoute.app.received) {
      assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
      assert.deepEqual(rawValues(received, 'x-pomerium-jwt-assertion-for'), [])
    }
    assert.equal(toARoute.app.received.length, pageParts.length)
  })

  await t.test('a page of a route by https:// is refused as a tunnel', async () => {
    assert.equal(await page.goto(`https://${hosts.API}/page.html`), 'net::ERR_TUNNEL_CONNECTION_FAILED')
    assert.deepEqual(toARoute.app.received, [])
  })

  await t.test('a refusal is shown in place of the page', async () => {
    await page.setHeaders([])
    await page.goto(toARoute.refused.url)
    const shown = JSON.parse((await page.evaluate('document.body.innerText')) as string)
    assert.equal(shown.error, toARoute.refused.code)
  })

  // Chromium asks for a tunnel for ws://, too.
  await t.test('a WebSocket to a route is refused cleanly', async () => {
    await page.goto(`${origin}/page.html`)
    const seen = await page.evaluate(`sees.socket('ws://${hosts.API}/socket')`)
    assert.deepEqual(seen, { isOpen: false, code: 1006 })
    assert.equal(await page.evaluate(`sees.status('/plain')`), 200)
  })

  await t.test('a WebSocket elsewhere goes through', async () => {
    const server = createServer().on('upgrade', acceptSocket).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const url = `ws://localhost:${(server.address() as AddressInfo).port}/socket`
    await page.goto(`${elsewhere.origin}/page.html`)
    assert.deepEqual(await page.evaluate(`sees.socket('${url}')`), { isOpen: true, data: 'hello' })
  })
}

/** Accepts a WebSocket (RFC 6455) and greets it. */
function acceptSocket(request: IncomingMessage, socket: Duplex): void {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.on('error', () => socket.destroy())
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.end('\x81\x05hello', 'latin1')
}
