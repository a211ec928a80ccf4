// The ways through the sidecar: from outside into the app, and from the app to a route, elsewhere, and into a tunnel.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { identityNames, rawValues, startApp, type AppHandler, type Received } from '../support/app.ts'
import { send } from '../support/client.ts'
import { certifyLocalhost } from '../support/localhost-tls.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { createClientApp, type ClientApp } from './app.ts'
import type { Ask } from './ask.ts'

type Headers = Ask['headers']

export interface Way {
  readonly name: string
  /** What URLs begin with. */
  readonly origin: string
  /** To be sent with each request. */
  readonly headers: Headers
  readonly proxy: string | undefined
  /** Which port of the sidecar the client connects to. */
  readonly port: number
  /** Who is there at the end. */
  readonly app: ClientApp
  /** Throws where the app was not told who calls, or was told more than that. */
  readonly checkIdentity: (received: Received) => void
  /** The same of a call that carried nothing; undefined: there is no such call. */
  readonly checkAccount?: Way['checkIdentity']
  /** A request that the sidecar refuses. */
  readonly refused: Refused
}

export interface Refused {
  readonly url: string
  readonly headers: Headers
  readonly status: number
  readonly code: string
  /** Refused to the client's CONNECT, so that most clients only say that it failed. */
  readonly tunnel: boolean
}

export interface Ways {
  readonly mesh: TestMesh
  readonly all: readonly Way[]
  readonly caFile: string
  readonly caPin: string
}

const assertionName = 'X-Pomerium-Jwt-Assertion'
const handleName = 'x-onbehalf-handle'

/** @param createApp who is there at the end of each. */
export async function startWays(t: TestContext, createApp = createClientApp): Promise<Ways> {
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    settings: { egress: { local: 'allow' }, timeouts: { linger: '5m', drain: '1s' } },
    services: { App: { calls: ['API'] } },
  })
  const [app, api, outside, secure] = [createApp(), createApp(), createApp(), createApp()]
  mesh.apps.App.handler = app.handler
  mesh.apps.API.handler = api.handler
  const elsewhere = await startApp(outside.handler)
  t.after(() => elsewhere.close())
  const tls = await startTls(t, mesh.folder, secure.handler)
  const { inbound, outbound } = mesh.sidecars.App
  const proxy = `http://127.0.0.1:${outbound}`
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  await send({ port: inbound, headers: [assertionName, user] })
  const handle = rawValues(app.received[0], handleName)[0] as string

  const intoTheApp: Way = {
    name: 'into the app',
    origin: `http://127.0.0.1:${inbound}`,
    headers: [[assertionName, user]],
    proxy: undefined,
    port: inbound,
    app,
    checkIdentity(received) {
      assert.deepEqual(rawValues(received, assertionName), [user])
      assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['alice-id'])
    },
    refused: {
      url: `http://127.0.0.1:${inbound}/upload`,
      headers: [],
      status: 401,
      code: 'assertion_missing',
      tunnel: false,
    },
  }
  const toARoute: Way = {
    name: 'by the proxy to a route',
    origin: `http://${hosts.API}`,
    headers: [[handleName, handle]],
    proxy,
    port: outbound,
    app: api,
    checkIdentity(received) {
      assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
      assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), ['alice-id'])
      assert.deepEqual(rawValues(received, 'x-pomerium-jwt-assertion-for'), [user])
      assert.equal(rawValues(received, handleName).includes(handle), false)
      assert.deepEqual(rawValues(received, 'proxy-connection'), [])
    },
    checkAccount(received) {
      assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
      assert.deepEqual(rawValues(received, 'x-pomerium-jwt-assertion-for'), [])
    },
    refused: {
      url: `http://${hosts.Ledger}/upload`,
      headers: [],
      status: 403,
      code: 'call_not_allowed',
      tunnel: false,
    },
  }
  const elsewhereByHttp: Way = {
    name: 'by the proxy elsewhere',
    origin: `http://localhost:${elsewhere.port}`,
    headers: [
      [handleName, handle],
      ['X-Own', 'kept'],
    ],
    proxy,
    port: outbound,
    app: outside,
    checkIdentity(received) {
      assert.deepEqual(identityNames(received), [])
      assert.deepEqual(rawValues(received, 'x-own'), ['kept'])
      assert.deepEqual(rawValues(received, 'proxy-connection'), [])
    },
    refused: {
      url: `${proxy}/upload`,
      headers: [],
      status: 421,
      code: 'route_not_found',
      tunnel: false,
    },
  }
  const elsewhereByTunnel: Way = {
    name: 'by a tunnel elsewhere',
    origin: `https://localhost:${tls.port}`,
    headers: [['X-Pomerium-Own', 'untouched']],
    proxy,
    port: outbound,
    app: secure,
    checkIdentity(received) {
      assert.deepEqual(rawValues(received, 'x-pomerium-own'), ['untouched'])
    },
    refused: {
      url: `https://${hosts.API}/upload`,
      headers: [],
      status: 403,
      code: 'call_not_allowed',
      tunnel: true,
    },
  }
  const all = [intoTheApp, toARoute, elsewhereByHttp, elsewhereByTunnel]
  return { mesh, all, caFile: tls.caFile, caPin: tls.caPin }
}

/** An HTTPS server named localhost, under an authority of its own. */
async function startTls(t: TestContext, folder: string, handler: AppHandler) {
  const { caPem, cert, key } = await certifyLocalhost()
  const server = createServer({ cert, key }, (request, response) => {
    Promise.resolve(handler(request, response)).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const caFile = join(folder, 'outside-ca.pem')
  await writeFile(caFile, caPem)
  const keyInfo = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' })
  const caPin = createHash('sha256').update(keyInfo).digest('base64')
  return { port: (server.address() as AddressInfo).port, caFile, caPin }
}
