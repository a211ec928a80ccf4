// Mutual TLS from sidecar to sidecar: whom the caller takes for the callee, what it shows, and that it never falls back.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server as PlainServer } from 'node:http'
import { createServer as createTlsServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createAuthority, issueAccount, type Certified } from '../../sidecar/ca.ts'
import { rawValues } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { byAdmin } from './revocation-ground.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'
const dayMs = 86_400_000
/** Users come in clear text from here; services show who they are. */
const strict: MeshOptions = {
  scheme: 'https',
  mesh: { tls: 'strict' },
  issuer: { edges: { source_ip: ['127.0.0.1'] } },
  run: ['App', 'API'],
}

/** Alice asks App, which calls the API while it serves her. */
async function throughApp(mesh: TestMesh): Promise<{ alice: string; called: Answer }> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  mesh.apps.App.handler = async (request, response) => {
    const handle = ['x-onbehalf-handle', String(request.headers['x-onbehalf-handle'])]
    await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers: handle }).then(resolve, reject)
    response.end()
  }
  const alice = await mesh.pomerium.assertion('alice', hosts.App)
  await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, alice] })
  return { alice, called: await promise }
}

test('a call is made in mutual TLS alone, and the original user arrives', async (t) => {
  const mesh = await startMesh(t, strict)
  const { alice, called } = await throughApp(mesh)
  assert.equal(called.status, 200, called.body)
  const [received] = mesh.apps.API.received
  assert.deepEqual(rawValues(received, 'X-Pomerium-Jwt-Assertion-For'), [alice])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
})

interface Stand {
  readonly server: Server | PlainServer
  /** What the caller showed, by request. */
  readonly shown: string[]
}

/** In the place of the API's sidecar. */
async function standIn(t: TestContext, certified: Certified | undefined, ca = ''): Promise<Stand> {
  const shown: string[] = []
  const server =
    certified === undefined
      ? createServer((_request, response) => response.end('clear'))
      : createTlsServer(
          {
            cert: certified.certificatePem,
            key: certified.keyPem,
            ca,
            requestCert: true,
            rejectUnauthorized: false,
          },
          (request, response) => {
            shown.push(String((request.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName))
            response.end('secure')
          },
        )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, shown }
}

async function call({ server }: Stand, mesh: TestMesh): Promise<Answer> {
  const { port } = server.address() as AddressInfo
  await mesh.writeMeshFile((file) => {
    const route = file.routes.find(({ name }) => name === 'API') as Record<string, unknown>
    route['to'] = `https://127.0.0.1:${port}`
  })
  await mesh.sidecars.App.sidecar.reload('the test says so')
  return (await throughApp(mesh)).called
}

async function ofAnotherAuthority(): Promise<Certified> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const named = { issuer: undefined, account: 'ledger-access', dnsNames: ['localhost'], days: 1, nowMs }
  return issueAccount({ caPem: ca.certificatePem, caKeyPem: ca.keyPem, ...named })
}

test('only who shows an account of the called service is taken for it', async (t) => {
  const mesh = await startMesh(t, { ...strict, run: ['App'] })
  const refused: [reason: RegExp, certified: Certified | undefined][] = [
    [/the callee is spiffe:.*api-access, which is no account of API/, await mesh.certified('api-access')],
    [/certificate/, await ofAnotherAuthority()],
    [/expired/, await mesh.certified('ledger-access', Date.now() - 2 * dayMs)],
    [/wrong version number|packet length too long|EPROTO/, undefined],
  ]
  for (const [reason, certified] of refused) {
    const stand = await standIn(t, certified)
    const { logs } = mesh.sidecars.App
    const before = logs.length
    const answer = await call(stand, mesh)
    assert.equal(answer.code, 'upstream_refused', answer.body)
    assert.deepEqual(stand.shown, [], 'a request was sent')
    const line = logs.slice(before).find((each) => each.includes('upstream_refused')) ?? ''
    assert.match(line, reason)
  }
  const stand = await standIn(t, await mesh.certified('ledger-access'))
  assert.equal((await call(stand, mesh)).body, 'secure')
  assert.deepEqual(stand.shown, [`URI:spiffe://${meshIssuer}/api-access`])
})

test('a callee whose key was revoked gets nothing more, on connections that are open too', async (t) => {
  const mesh = await startMesh(t, strict)
  assert.equal((await throughApp(mesh)).called.status, 200)
  const certificate = await readFile(join(mesh.folder, 'ledger-access.pem'), 'utf8')
  const keyId = keyThumbprint(new X509Certificate(certificate).publicKey)
  await byAdmin(mesh, 'App', { kind: 'kid', value: keyId })
  const { called } = await throughApp(mesh)
  assert.equal(called.code, 'upstream_refused')
  assert.equal(mesh.apps.API.received.length, 1)
  assert.match(mesh.sidecars.App.logs.join('\n'), /the key of the callee was revoked/)
})
