// Services that have no account to show, in TLS: verified by their name and the system's roots, or those that the route gives.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { send, type Answer } from '../support/client.ts'
import { certifyLocalhost } from '../support/localhost-tls.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

interface Stand {
  readonly port: number
  readonly caPem: string
  /** Names that were asked for, by connection, and whether its session was resumed. */
  readonly asked: (readonly [name: string, isResumed: boolean])[]
}

/** In the place of the Ledger: certified for localhost, by an authority that no system knows. */
async function startLedger(t: TestContext): Promise<Stand> {
  const { caPem, cert, key } = await certifyLocalhost()
  const asked: [string, boolean][] = []
  const server = createServer({ cert, key }, (request, response) => {
    const { servername } = request.socket as TLSSocket & { servername: string | false }
    asked.push([servername || '', (request.socket as TLSSocket).isSessionReused()])
    response.setHeader('Connection', 'close').end(request.headers['x-pomerium-jwt-assertion'] ? 'as us' : '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, caPem, asked }
}

type Keys = Readonly<Record<string, unknown>>

async function start(t: TestContext, keys: Keys, host = '127.0.0.1'): Promise<Stand & { mesh: TestMesh }> {
  const stand = await startLedger(t)
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { Ledger: { to: `https://${host}:${stand.port}`, ...keys } },
    files: { 'ledger-ca.pem': stand.caPem },
  })
  return { ...stand, mesh }
}

const call = ({ sidecars }: TestMesh): Promise<Answer> =>
  send({ port: sidecars.App.outbound, host: hosts.Ledger })
const ca = { tls_custom_ca_file: 'ledger-ca.pem' }

const accepted: readonly [what: string, keys: Keys, host: string, asked: string][] = [
  ['its name in `to`', ca, 'localhost', 'localhost'],
  ['tls_server_name', { ...ca, tls_server_name: 'localhost' }, '127.0.0.1', 'localhost'],
  [
    'tls_upstream_server_name',
    { ...ca, tls_server_name: 'other.example.com', tls_upstream_server_name: 'localhost' },
    '127.0.0.1',
    'localhost',
  ],
]
for (const [what, keys, host, name] of accepted) {
  test(`by its own authority and ${what}, and its session is resumed`, async (t) => {
    const { mesh, asked } = await start(t, keys, host)
    for (let i = 0; i < 2; i++) {
      const { status, body } = await call(mesh)
      assert.deepEqual([status, body], [200, 'as us'])
    }
    assert.deepEqual(asked, [
      [name, false],
      [name, true],
    ])
  })
}

const refused: readonly [what: string, keys: Keys, host: string, reason: RegExp][] = [
  ['the system’s roots alone', {}, 'localhost', /self-signed certificate|unable to verify/],
  ['another name', { ...ca, tls_server_name: 'other.example.com' }, 'localhost', /other\.example\.com/],
  ['an address that it is not certified for', ca, '127.0.0.1', /127\.0\.0\.1/],
]
for (const [what, keys, host, reason] of refused) {
  test(`with ${what} it gets nothing`, async (t) => {
    const { mesh, asked } = await start(t, keys, host)
    assert.equal((await call(mesh)).code, 'upstream_refused')
    assert.deepEqual(asked, [])
    assert.match(mesh.sidecars.App.logs.join('\n'), reason)
  })
}

test('a service that has an account shows that, whatever authority the route names', async (t) => {
  const stand = await startLedger(t)
  const api = { to: `https://localhost:${stand.port}`, ...ca }
  const mesh = await startMesh(t, {
    run: ['App'],
    routes: { API: api },
    files: { 'ledger-ca.pem': stand.caPem },
  })
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API })
  assert.equal(answer.code, 'upstream_refused')
  assert.deepEqual(stand.asked, [])
})

test('a file that is no authority is a fault of the mesh file', async (t) => {
  const options = { routes: { Ledger: ca }, files: { 'ledger-ca.pem': 'nothing' }, run: ['App'] as const }
  await assert.rejects(startMesh(t, options), /ledger-ca\.pem: holds no certificate in PEM/)
})
