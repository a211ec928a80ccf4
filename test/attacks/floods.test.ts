// The attacker sends more of one thing than there is room for, and wants others to be shut out, or an issuer to be hammered.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { basicConstraints, keyUsage, makeLeaf, makeRoot } from '../support/certificates.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, type RunningSidecar, type TestMesh } from '../support/mesh.ts'
import {
  activeInbound,
  activeSessions,
  assertionName,
  asUser,
  gauge,
  handleName,
  mintedClaims,
  open,
  until,
  untilIdle,
  assertServes,
} from './attack.ts'

test('a flood of unknown keys asks the issuer once in a while, and good tokens are served meanwhile', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  const { inbound } = mesh.sidecars.App
  const claims = mesh.pomerium.claims('alice', hosts.App)
  for (let round = 1; round <= 3; round++) {
    offsetMs = round * 6_000
    const before = mesh.pomerium.jwksFetches()
    const startedMs = Date.now()
    const flood = Array.from({ length: 200 }, async (_, i) => {
      const token = await mesh.pomerium.sign(claims, { header: { alg: 'ES256', kid: `${round}-${i}` } })
      return (await send({ port: inbound, headers: [assertionName, token] })).code
    })
    await assertServes(mesh)
    assert.deepEqual(new Set(await Promise.all(flood)), new Set(['assertion_key_unknown']))
    // One more each second, which on a slow machine the flood may take.
    const most = 1 + Math.floor((Date.now() - startedMs) / 1_000)
    const fetches = mesh.pomerium.jwksFetches() - before
    assert.ok(fetches >= 1 && fetches <= most, `${fetches} fetches`)
  }
})

test('while the issuer is down, a flood of unknown keys does not shut out those whose keys are known', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['App'], clockOffsetMs: () => offsetMs })
  mesh.pomerium.failJwks('status')
  offsetMs = 6_000
  const claims = mesh.pomerium.claims('alice', hosts.App)
  const flood = Array.from({ length: 100 }, async (_, i) => {
    const token = await mesh.pomerium.sign(claims, { header: { alg: 'ES256', kid: `${i}` } })
    return (await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })).code
  })
  await assertServes(mesh)
  assert.deepEqual(new Set(await Promise.all(flood)), new Set(['keys_unavailable']))
  await assertServes(mesh)
})

test('a flood of bad certificates is cut short, does not shut out a known account, and is forgiven in time', async (t) => {
  let offsetMs = 0
  const mesh = await startMesh(t, { run: ['API'], clockOffsetMs: () => offsetMs })
  const { inbound } = mesh.sidecars.API
  const known = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const ask = async (token: string) => (await send({ port: inbound, headers: [assertionName, token] })).code
  assert.equal(await ask(known), '')
  const validNow = { notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + 3_600_000 }
  const evil = makeRoot({ ...validNow, extensions: [basicConstraints(true), keyUsage('keyCertSign')] })
  const codes = new Map<string, number>()
  for (let i = 0; i < 100; i++) {
    const leaf = makeLeaf(evil, `spiffe://${meshIssuer}/api-access`, validNow)
    const header = { alg: 'ES256', kid: keyThumbprint(leaf.keys.publicKey), x5c: [leaf.base64] }
    const code = await ask(forge({ header, payload: mintedClaims('api-access'), key: leaf.keys.privateKey }))
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  assert.deepEqual([...codes.keys()], ['assertion_key_unknown', 'overloaded'])
  assert.ok((codes.get('assertion_key_unknown') ?? 0) <= 30, String(codes.get('assertion_key_unknown')))
  assert.equal(await ask(known), '')
  offsetMs = 25_000
  const fresh = (await mesh.minter('api-access')).assertionFor(hosts.API)
  assert.equal(await ask(fresh), '')
})

async function holdMany(
  mesh: TestMesh,
  count: number,
): Promise<{ codes: string[]; release: () => Promise<void> }> {
  const gate = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await gate.promise
    response.end()
  }
  const codes: string[] = []
  const all = Array.from({ length: count }, async (_, i) => {
    const headers = await asUser(mesh, `user${i % 100}`)
    codes.push((await send({ port: mesh.sidecars.App.inbound, headers })).code)
  })
  return {
    codes,
    release: async () => {
      gate.resolve()
      await Promise.all(all)
    },
  }
}

const bounds: [name: string, limits: Record<string, unknown>, code: string][] = [
  ['sessions', { session_bytes: '20KiB' }, 'session_unavailable'],
  ['requests', { concurrent_requests: 10 }, 'overloaded'],
]
for (const [name, limits, code] of bounds) {
  test(`at the bound of ${name} the rest are refused, and afterwards all is as before`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'], settings: { limits } })
    for (let round = 0; round < 2; round++) {
      const held = await holdMany(mesh, 60)
      await until('some are refused', () => held.codes.length > 40)
      assert.deepEqual(new Set(held.codes), new Set([code]))
      const active = await gauge(mesh.sidecars.App, activeSessions)
      assert.ok(active > 0 && active <= 20, String(active))
      await held.release()
      await untilIdle(mesh.sidecars.App)
    }
    mesh.apps.App.handler = (_request, response) => void response.end()
    await assertServes(mesh)
  })
}

test('connections beyond limits.connections are not taken, and room is made again', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { connections: 10 } } })
  const { inbound } = mesh.sidecars.App
  const sockets = Array.from({ length: 30 }, () =>
    connect(inbound, '127.0.0.1')
      .on('error', () => undefined)
      .resume(),
  )
  await until('the rest are closed', () => sockets.filter((each) => each.closed).length >= 20)
  assert.equal(sockets.filter((each) => each.closed).length, 20)
  for (const socket of sockets) socket.destroy()
  await until('there is room', async () => {
    const answer = await send({ port: inbound, headers: await asUser(mesh, 'alice') }).catch(() => undefined)
    return answer?.status === 200
  })
})

test('requests behind each other on one connection take one place, and all are answered', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { limits: { concurrent_requests: 1 } } })
  const gate = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (_request, response) => {
    await gate.promise
    response.end()
  }
  const [name, token] = await asUser(mesh, 'alice')
  const one = `GET / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`
  const socket = await open(mesh.sidecars.App.inbound)
  let answers = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answers += part))
  socket.write(one.repeat(500))
  await until('one is under way', async () => (await gauge(mesh.sidecars.App, activeInbound)) === 1)
  gate.resolve()
  await until('all are answered', () => (answers.match(/HTTP\/1\.1 200/g) ?? []).length === 500)
  assert.doesNotMatch(answers, /x-onbehalf-error/)
  socket.destroy()
  await untilIdle(mesh.sidecars.App)
})

async function countSamples({ probes }: RunningSidecar): Promise<number> {
  return (await send({ port: probes, target: '/metrics' })).body.split('\n').length
}

test('no label of a metric is chosen by a client', async (t) => {
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { unlisted: 'deny' } } })
  const one = async (i: number) => {
    const headers = ['X-Forwarded-For', `${i}`, handleName, `h${i}`]
    await send({
      port: mesh.sidecars.App.inbound,
      host: `h${i}.test`,
      target: `/p${i}`,
      method: i % 2 === 0 ? 'PUT' : 'GET',
      headers,
    })
    await send({ port: mesh.sidecars.App.outbound, host: `h${i}.invalid`, target: `/p${i}` })
  }
  for (let i = 0; i < 8; i++) await one(i)
  const before = await countSamples(mesh.sidecars.App)
  for (let i = 8; i < 40; i++) await one(i)
  assert.equal(await countSamples(mesh.sidecars.App), before)
})
