// Mutual TLS inbound: who is let in by the certificate that it shows, and who is told what.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { byAdmin } from './revocation-ground.ts'
import { missingTlsClient, tlsClients, writeCertified, type ShownFiles } from '../support/tls-clients.ts'

const skip = missingTlsClient
const dayMs = 86_400_000
const anyone = { policy: [{ allow: { or: [{ authenticated_user: true }] } }] }

/** Who may show what at the API, which App calls as api-access. */
interface Ground {
  readonly mesh: TestMesh
  readonly port: number
  /** An assertion of api-access, as whoever stole it has it. */
  readonly headers: Readonly<Record<string, string>>
  readonly own: ShownFiles
}

async function start(t: TestContext, tls: string, options: MeshOptions = {}): Promise<Ground> {
  const settings = { log: { level: 'debug' } }
  const mesh = await startMesh(t, { settings, ...options, run: ['API'], mesh: { tls, ...options.mesh } })
  const minter = await mesh.minter('api-access')
  const headers = { 'X-Pomerium-Jwt-Assertion': minter.assertionFor(hosts.API) }
  const own = await writeCertified(mesh.folder, 'own', await mesh.certified('api-access'))
  return { mesh, port: mesh.sidecars.API.inbound, headers, own }
}

async function metricsOf({ mesh }: Ground): Promise<string> {
  return (await send({ port: mesh.sidecars.API.probes, target: '/metrics' })).body
}

/** Of another authority with the same name and the same accounts. */
async function strangers(folder: string): Promise<ShownFiles> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const certified = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'api-access',
    dnsNames: [],
    days: 1,
    nowMs,
  })
  return writeCertified(folder, 'stranger', certified)
}

for (const [name, client] of Object.entries(tlsClients)) {
  test(`strict, to ${name}: only the account itself is let in with its assertion`, { skip }, async (t) => {
    const ground = await start(t, 'strict')
    const { mesh, port, headers, own } = ground
    const { logs } = mesh.sidecars.API
    const expired = await mesh.certified('api-access', Date.now() - 2 * dayMs)
    const other = await mesh.certified('ledger-access')
    const refused: [code: string, reason: RegExp, shown: ShownFiles | undefined][] = [
      ['client_certificate_missing', /mutual TLS alone/, undefined],
      ['client_certificate_invalid', /does not end in a root/, await strangers(mesh.folder)],
      ['client_certificate_expired', /has expired/, await writeCertified(mesh.folder, 'old', expired)],
      [
        'client_certificate_mismatch',
        /certificate is of spiffe:.*ledger-access, the assertion of api-access/,
        await writeCertified(mesh.folder, 'other', other),
      ],
    ]
    for (const [code, reason, shown] of refused) {
      const before = logs.length
      assert.deepEqual(await client({ port, headers, shown }), { status: 401, code })
      const line = logs.slice(before).find((each) => each.includes(code)) ?? ''
      assert.match(line, reason)
      assert.match(
        await metricsOf(ground),
        new RegExp(`^onbehalf_decisions_total\\{[^}]*code="${code}"[^}]*\\} 1$`, 'm'),
      )
    }
    assert.equal(mesh.apps.API.received.length, 0)
    const before = logs.length
    assert.deepEqual(await client({ port, headers, shown: own }), { status: 200, code: '' })
    assert.equal(mesh.apps.API.received.length, 1)
    assert.match(
      logs.slice(before).join('\n'),
      /certificate.*spiffe:\/\/mesh\.companydomain\.com\/api-access/,
    )
  })

  test(
    `permissive, to ${name}: a stolen assertion is worthless wherever a certificate is shown`,
    { skip },
    async (t) => {
      const { mesh, port, headers, own } = await start(t, 'permissive')
      const other = await writeCertified(mesh.folder, 'other', await mesh.certified('ledger-access'))
      assert.deepEqual(await client({ port, headers, shown: other }), {
        status: 401,
        code: 'client_certificate_mismatch',
      })
      assert.deepEqual(await client({ port, headers, shown: await strangers(mesh.folder) }), {
        status: 401,
        code: 'client_certificate_invalid',
      })
      for (const shown of [own, undefined]) {
        assert.deepEqual(await client({ port, headers, shown }), { status: 200, code: '' })
      }
    },
  )
}

test('strict: what comes in clear text is told how to come', async (t) => {
  const { port, headers } = await start(t, 'strict')
  const answer = await send({ port, headers: Object.entries(headers).flat() })
  assert.equal(answer.code, 'client_certificate_missing')
})

test('a user comes in by the certificate of an edge', { skip }, async (t) => {
  const edge = `spiffe://${meshIssuer}/edge/pomerium`
  const issuer = { edges: { client_certificate: [edge] } }
  const { mesh, port, own } = await start(t, 'strict', { issuer, routes: { API: anyone } })
  const headers = { 'X-Pomerium-Jwt-Assertion': await mesh.pomerium.assertion('alice', hosts.API) }
  const shown = await writeCertified(mesh.folder, 'edge', await mesh.certified('edge/pomerium'))
  for (const client of Object.values(tlsClients)) {
    assert.deepEqual(await client({ port, headers, shown }), { status: 200, code: '' })
    assert.deepEqual(await client({ port, headers, shown: own }), {
      status: 401,
      code: 'assertion_not_from_edge',
    })
  }
})

/** Asks again and again on one connection that stays open. */
async function keepAsking(t: TestContext, { mesh, port, headers }: Ground) {
  const { certificatePem: cert, keyPem: key } = await mesh.certified('api-access')
  const session = connectHttp2(`https://127.0.0.1:${port}`, { cert, key, rejectUnauthorized: false })
  t.after(() => session.destroy())
  const ask = async () => {
    const stream = session.request({ ':path': '/', ...headers })
    const [answer] = (await once(stream.resume(), 'response')) as [Record<string, unknown>]
    return answer['x-onbehalf-error'] ?? answer[':status']
  }
  assert.equal(await ask(), 200)
  return { ask, cert }
}

test('a revoked key counts no more, on connections that are open too', async (t) => {
  const ground = await start(t, 'strict')
  const { ask, cert } = await keepAsking(t, ground)
  const keyId = keyThumbprint(new X509Certificate(cert).publicKey)
  await byAdmin(ground.mesh, 'API', { kind: 'kid', value: keyId })
  assert.equal(await ask(), 'client_certificate_revoked')
})

test('nor does a certificate that has expired', async (t) => {
  let offsetMs = 0
  const ground = await start(t, 'strict', { clockOffsetMs: () => offsetMs })
  const { ask } = await keepAsking(t, ground)
  offsetMs = 2 * dayMs
  assert.equal(await ask(), 'client_certificate_expired')
})

test('nor does one of an authority that was taken out of the mesh', async (t) => {
  const ground = await start(t, 'strict')
  const { ask } = await keepAsking(t, ground)
  const { folder, sidecars } = ground.mesh
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const own = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'ledger-access',
    dnsNames: [],
    days: 1,
    nowMs,
  })
  await writeFile(join(folder, 'ca.pem'), ca.certificatePem)
  await writeFile(join(folder, 'ledger-access-key.pem'), own.keyPem)
  await writeFile(join(folder, 'ledger-access.pem'), own.certificatePem)
  await sidecars.API.sidecar.reload('the test says so')
  assert.equal(await ask(), 'client_certificate_invalid')
})

test('a body that breaks off without a farewell is none, in TLS too', async (t) => {
  const { mesh, port, headers, own } = await start(t, 'strict')
  const outcome = Promise.withResolvers<string>()
  const begun = Promise.withResolvers<void>()
  mesh.apps.API.handler = (request) => {
    request.once('data', () => begun.resolve())
    request.once('end', () => outcome.resolve('ended')).once('error', () => outcome.resolve('aborted'))
  }
  const socket = connect(port, '127.0.0.1')
  const shown = { cert: await readFile(own.cert), key: await readFile(own.key) }
  const inside = connectTls({ socket, rejectUnauthorized: false, ...shown }).on('error', () => undefined)
  const fields = Object.entries(headers).map((field) => field.join(': '))
  inside.write(
    `POST / HTTP/1.1\r\nHost: a\r\n${fields.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
  )
  await begun.promise
  socket.end()
  assert.equal(await outcome.promise, 'aborted')
})

test('what is no TLS after all is recorded, and holds nothing open', async (t) => {
  const ground = await start(t, 'permissive')
  const { logs } = ground.mesh.sidecars.API
  const socket = connect(ground.port, '127.0.0.1')
  // A handshake that is none; sendRaw would wait for text.
  socket.write(Buffer.from('16030100050100000100', 'hex'))
  socket.resume()
  await once(socket, 'close')
  const line = logs.find((each) => each.includes('TLS was not agreed on')) ?? ''
  assert.match(line, /"cause":".*SSL/)
  assert.match(
    await metricsOf(ground),
    /onbehalf_unreadable_requests_total\{[^}]*direction="inbound"[^}]*\} 1/,
  )
})

test('who resets in the middle of a handshake takes nothing with it', async (t) => {
  const { port, headers, own } = await start(t, 'permissive')
  for (const bytes of ['16', '160301', '1603010200010001fc0303', '16030100050100000100']) {
    for (const waitMs of [0, 20]) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      socket.write(Buffer.from(bytes, 'hex'))
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      socket.resetAndDestroy()
    }
  }
  const shown = { cert: await readFile(own.cert), key: await readFile(own.key) }
  const agreed = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...shown })
  await once(agreed, 'secureConnect')
  agreed.destroy()
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...shown })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/', ...headers })
  const [answer] = (await once(stream.resume(), 'response')) as [Record<string, unknown>]
  assert.equal(answer[':status'], 200)
})

test('a handshake that does not go on ends when the sidecar stops', async (t) => {
  const { mesh, port } = await start(t, 'permissive')
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  socket.resume().write(Buffer.from('1603010200010001fc0303', 'hex'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const closed = once(socket, 'close')
  await mesh.sidecars.API.sidecar.stop()
  await closed
})

test('a session is not resumed: certificates are shown each time', async (t) => {
  const { port } = await start(t, 'permissive')
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion }
    const first = connectTls(options)
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const second = connectTls({ ...options, session })
    await once(second, 'secureConnect')
    assert.equal(second.isSessionReused(), false)
    second.destroy()
  }
})

for (const [what, options] of [
  ['tls: off', { mesh: { tls: 'off' } }],
  ['no certificate', { services: { API: { credential: {} } } }],
] as const) {
  test(`with ${what} TLS is refused, and clear text served`, async (t) => {
    const mesh = await startMesh(t, { ...options, run: ['API'] })
    const port = mesh.sidecars.API.inbound
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    assert.match(error.message, /wrong version number|packet length too long|ECONNRESET/)
    assert.equal((await send({ port })).code, 'assertion_missing')
  })
}
