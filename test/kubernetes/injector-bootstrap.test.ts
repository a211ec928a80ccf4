// The injector's certificate of its own making: shared by replicas, kept in a Secret, named in the webhooks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { pemBlocks, type StoredObject } from './api-server.ts'
import {
  base64,
  bundlesOf,
  configuration,
  create,
  emptySecret,
  host,
  makeServing,
  secretOf,
  secretPath,
  served,
  startGround,
  webhooksPath,
} from './injector-ground.ts'

test('two replicas that begin at once share one certificate, which both webhooks name', async (t) => {
  const ground = await startGround(t)
  // Both have seen that the Secret is empty before one of them fills it.
  const both = Promise.withResolvers<void>()
  let looked = 0
  ground.api.onCall = (verb, path) => {
    if (verb !== 'update' || path !== secretPath) return
    if (++looked === 2) both.resolve()
    return both.promise
  }
  const replicas = await Promise.all([ground.replica(), ground.replica()])
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  assert.equal(looked, 2)
  const [first, second] = bundlesOf(ground)
  assert.equal(first, secretOf(ground)['ca.crt'])
  assert.equal(second, first)
  assert.equal(pemBlocks(first ?? '').length, 1)
  for (const replica of replicas) {
    ground.endpoints.splice(0, 1, replica.address.port)
    await create(ground)
  }
})

test('the key of its authority is kept nowhere, and the Secret is not written again without need', async (t) => {
  const ground = await startGround(t)
  const replica = await ground.replica()
  await replica.untilReady()
  assert.deepEqual(Object.keys(secretOf(ground)).sort(), ['ca.crt', 'tls.crt', 'tls.key'])
  assert.ok(!replica.lines.some(({ level }) => level === 'warn'), 'an empty one is nothing to warn about')
  ground.api.calls.length = 0
  await eventually(async () => ground.api.calls.length >= 6)
  assert.deepEqual(
    ground.api.calls.filter((call) => !call.startsWith('get ')),
    [],
  )
})

test('an API server that is away at the start is waited for', async (t) => {
  const ground = await startGround(t)
  await ground.api.leave()
  const replica = await ground.replica()
  await eventually(async () => replica.lines.some(({ level }) => level === 'error'))
  const { status, body } = await replica.probe('/ready')
  assert.equal(status, 503)
  assert.match(body, /not ready: the webhooks do not name a certificate of ours yet/)
  assert.equal((await replica.probe('/livez')).status, 200)
  await ground.api.comeBack()
  await replica.untilReady()
  ground.endpoints.push(replica.address.port)
  await create(ground)
})

test('one that goes away later costs nothing, and its renewed token is taken up', async (t) => {
  const ground = await startGround(t)
  const replica = await ground.replica()
  await replica.untilReady()
  ground.endpoints.push(replica.address.port)
  await ground.api.leave()
  await eventually(async () => replica.lines.some(({ level }) => level === 'error'))
  await create(ground)
  assert.equal((await replica.probe('/ready')).status, 200)
  assert.ok((await replica.failedRenewals()) > 0)
  await ground.api.renewToken()
  await ground.api.comeBack()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => bundlesOf(ground).every((bundle) => bundle !== ''))
  await eventually(async () => (await replica.failedRenewals()) === 0)
  assert.doesNotMatch(JSON.stringify(replica.lines), /token-|PRIVATE/)
})

test('webhooks that are not there are waited for, and those that forget the authority are told it again', async (t) => {
  const ground = await startGround(t)
  ground.api.delete(webhooksPath)
  const replica = await ground.replica()
  await eventually(async () =>
    replica.lines.some(({ cause }) => /onbehalf-injector: 404/.test(String(cause))),
  )
  assert.equal((await replica.probe('/ready')).status, 503)
  ground.api.put(webhooksPath, configuration)
  await replica.untilReady()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => bundlesOf(ground).every((bundle) => bundle !== ''))
})

const secret = (data: Readonly<Record<string, string>>): StoredObject => ({ ...emptySecret, data })
const dataOf = ({ ca, cert, key }: ReturnType<typeof makeServing>) => ({
  'ca.crt': base64(ca),
  'tls.crt': base64(cert),
  'tls.key': base64(key),
})

/** What follows the certificate is half of another. */
const cutOff = (serving: ReturnType<typeof makeServing>) => ({
  ...serving,
  cert: serving.cert + serving.ca.slice(0, 100),
})

const useless: readonly (readonly [string, StoredObject])[] = [
  ['no certificates', secret({ 'tls.crt': base64('x'), 'tls.key': base64('y'), 'ca.crt': '' })],
  ['a certificate for another name', secret(dataOf(makeServing('other.onbehalf-system.svc')))],
  ['a certificate that has expired', secret(dataOf(makeServing(host, Date.now() - 1_000)))],
  ['a key of another', secret(dataOf({ ...makeServing(host), key: makeServing(host).key }))],
  ['a chain that is cut off', secret(dataOf(cutOff(makeServing(host))))],
  ['an authority of another', secret(dataOf({ ...makeServing(host), ca: makeServing(host).ca }))],
]
for (const [what, object] of useless)
  test(`a Secret that holds ${what} is replaced`, async (t) => {
    const ground = await startGround(t)
    ground.api.put(secretPath, object)
    const replica = await ground.replica()
    await replica.untilReady()
    ground.endpoints.push(replica.address.port)
    await create(ground)
    assert.equal(pemBlocks(bundlesOf(ground)[0] ?? '').length, 1)
    assert.ok(!JSON.stringify(replica.lines).includes('PRIVATE'))
  })

test('a Secret that is emptied is filled anew, and its authority is named no more', async (t) => {
  const ground = await startGround(t)
  const replicas = await Promise.all([ground.replica(), ground.replica()])
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  const [before = ''] = bundlesOf(ground)
  ground.api.put(secretPath, emptySecret)
  await eventually(async () => replicas.every(({ lines }) => served(lines) >= 2))
  const [after = ''] = bundlesOf(ground)
  assert.equal(pemBlocks(after).length, 1)
  assert.notEqual(after, before)
  for (const { address } of replicas) {
    ground.endpoints.splice(0, 1, address.port)
    await create(ground)
  }
})

test('without its Secret what was served is served on, until an empty one is there again', async (t) => {
  const ground = await startGround(t)
  const replica = await ground.replica()
  await replica.untilReady()
  ground.endpoints.push(replica.address.port)
  ground.api.delete(secretPath)
  const lost = () => replica.lines.filter(({ cause }) => /-certificate: 404/.test(String(cause))).length
  await eventually(async () => lost() >= 2)
  await create(ground)
  assert.equal((await replica.probe('/ready')).status, 200)
  ground.api.put(secretPath, emptySecret)
  await eventually(async () => served(replica.lines) === 2)
  await create(ground)
})

test('a Secret that serves is taken as it is', async (t) => {
  const ground = await startGround(t)
  const serving = makeServing(host)
  ground.api.put(secretPath, secret(dataOf(serving)))
  const replica = await ground.replica({ days: 0.01 })
  await replica.untilReady()
  assert.deepEqual(bundlesOf(ground), [base64(serving.ca), base64(serving.ca)])
})
