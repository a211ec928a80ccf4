// The injector's certificate: of its own making, shared by replicas, renewed under load; or out of files.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { certificateFromFiles } from '../../deploy/kubernetes/injector/serving-certificate.ts'
import { dnsName, leafExtensions, makeLeaf, makeRoot, subjectAltName } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { Rejection, type Webhook } from './admission.ts'
import { pemBlocks, type StoredObject } from './api-server.ts'
import {
  configuration,
  host,
  podOf,
  secretPath,
  secretsPath,
  shop,
  startGround,
  startReplica,
  webhooksPath,
  type Ground,
} from './injector-ground.ts'

const hourMs = 3_600_000
const bundlesOf = ({ api }: Ground) =>
  ((api.get(webhooksPath)?.['webhooks'] ?? []) as readonly Webhook[]).map(
    ({ clientConfig }) => clientConfig.caBundle ?? '',
  )
const secretOf = ({ api }: Ground) =>
  (api.get(secretPath)?.['data'] ?? {}) as Readonly<Record<string, string | undefined>>
const create = ({ admission }: Ground) => admission.create({ pod: podOf(), ...shop })

/** Creates pods until it is told to end. @returns what was not let in. */
function createOn(ground: Ground) {
  const faults: string[] = []
  let count = 0
  const ending = new AbortController()
  const creating = (async () => {
    while (!ending.signal.aborted) {
      await create(ground).then(
        () => count++,
        (error: Error) => faults.push(error.message),
      )
      await pause(5)
    }
  })()
  return async () => {
    ending.abort()
    await creating
    return { faults, count }
  }
}

test('two replicas that begin at once share one certificate, which both webhooks name', async (t) => {
  const ground = await startGround(t)
  // Both have seen that there is no Secret before one of them makes it.
  const both = Promise.withResolvers<void>()
  let looked = 0
  ground.api.onCall = (verb, path) => {
    if (verb !== 'create' || path !== secretsPath) return
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
  await ground.api.renewToken()
  await ground.api.comeBack()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => bundlesOf(ground).every((bundle) => bundle !== ''))
  assert.doesNotMatch(JSON.stringify(replica.lines), /token-|PRIVATE/)
})

test('webhooks that are not there are waited for, and those that forget the authority are told it again', async (t) => {
  const ground = await startGround(t)
  ground.api.delete(webhooksPath)
  const replica = await ground.replica()
  await eventually(async () => replica.lines.some(({ cause }) => /there is none/.test(String(cause))))
  assert.equal((await replica.probe('/ready')).status, 503)
  ground.api.put(webhooksPath, configuration)
  await replica.untilReady()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => bundlesOf(ground).every((bundle) => bundle !== ''))
})

const served = (lines: readonly Readonly<Record<string, unknown>>[]) =>
  lines.filter(({ message }) => message === 'serving certificate in effect').length

/** Two thirds of a day are over for whoever asks this clock after `age`. */
function clock() {
  let behindMs = 20 * hourMs
  return { now: () => Date.now() - behindMs, age: () => (behindMs = 0) }
}

test('a renewal fails no request, though the API server hears of its authority late', async (t) => {
  const lagMs = 100
  const ground = await startGround(t, lagMs)
  const { now, age } = clock()
  const replicas = await Promise.all([1, 2].map(() => ground.replica({ days: 1, now })))
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  await pause(lagMs)
  ground.endpoints.push(...replicas.map(({ address }) => address.port))
  const before = secretOf(ground)['tls.crt']
  const end = createOn(ground)
  age()
  await eventually(async () => replicas.every(({ lines }) => served(lines) === 2))
  await pause(lagMs)
  const { faults, count } = await end()
  assert.deepEqual(faults, [])
  assert.ok(count > 10, `${count} pods`)
  assert.notEqual(secretOf(ground)['tls.crt'], before)
  assert.deepEqual(
    bundlesOf(ground).map((bundle) => pemBlocks(bundle).length),
    [2, 2],
  )
  assert.equal(secretOf(ground)['next.key'], undefined)
})

test('the next certificate waits until the webhooks have named its authority for a while, whoever looks', async (t) => {
  const ground = await startGround(t)
  const { now, age } = clock()
  const settleMs = 400
  const replicas = await Promise.all(
    [1, 2].map(() => ground.replica({ days: 1, now, settleMs, intervalMs: 20 })),
  )
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  const before = secretOf(ground)['tls.crt']
  let namedMs = Infinity
  let marks = 0
  // The webhooks cannot be written for longer than it takes to settle; nor can whoever named them say so at once.
  const writable = Promise.withResolvers<void>()
  ground.api.onCall = async (verb, path) => {
    if (verb !== 'update') return
    if (path === webhooksPath) {
      await writable.promise
      namedMs = Math.min(namedMs, performance.now())
    } else if (namedMs < Infinity && marks++ === 0) await pause(settleMs / 2)
  }
  age()
  await eventually(async () => secretOf(ground)['next.crt'] !== undefined)
  await pause(settleMs)
  assert.equal(secretOf(ground)['tls.crt'], before)
  writable.resolve()
  await eventually(async () => secretOf(ground)['tls.crt'] !== before)
  const waitedMs = performance.now() - namedMs
  assert.ok(waitedMs >= settleMs, `served ${waitedMs} ms after it was named`)
})

test('webhooks that forget the next authority are told it again, and have as long to settle', async (t) => {
  const ground = await startGround(t)
  const { now, age } = clock()
  const settleMs = 300
  const replica = await ground.replica({ days: 1, now, settleMs, intervalMs: 20 })
  await replica.untilReady()
  const before = secretOf(ground)['tls.crt']
  age()
  await eventually(async () => (secretOf(ground)['next-since'] ?? '') !== '')
  await pause(settleMs / 2)
  const forgottenMs = performance.now()
  ground.api.put(webhooksPath, configuration)
  await eventually(async () => secretOf(ground)['tls.crt'] !== before)
  assert.ok(performance.now() - forgottenMs >= settleMs)
})

test('a replica that read before another one renewed does not write its authority over the newer one', async (t) => {
  const other = await startGround(t)
  await (await other.replica()).untilReady()
  const ground = await startGround(t)
  const replica = await ground.replica({ intervalMs: 20 })
  await replica.untilReady()
  const [older] = bundlesOf(ground)
  const [newer = ''] = bundlesOf(other)
  // Of one look, the first answer is given, and the second only when all has changed.
  const isHeld = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  let asked = ''
  ground.api.onCall = (_verb, path) => {
    if (asked === '' || asked === path) {
      asked = path
      return
    }
    isHeld.resolve()
    return released.promise
  }
  await isHeld.promise
  ground.api.put(secretPath, { ...(ground.api.get(secretPath) as StoredObject), data: secretOf(other) })
  ground.api.put(webhooksPath, named(newer))
  const seen = ground.api.versions(webhooksPath).length
  ground.api.calls.length = 0
  released.resolve()
  await eventually(async () => ground.api.calls.length >= 5)
  const since = ground.api.versions(webhooksPath).slice(seen)
  assert.ok(!JSON.stringify(since).includes(String(older)), 'the older authority was named again')
  assert.deepEqual(new Set(bundlesOf(ground)), new Set([newer]))
})

const named = (caBundle: string) => ({
  ...configuration,
  webhooks: configuration.webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle },
  })),
})

const secret = (data?: Readonly<Record<string, string>>): StoredObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'Opaque',
  metadata: { name: 'onbehalf-injector-certificate' },
  ...(data === undefined ? {} : { data }),
})
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Under an authority of its own. */
function makeServing(name: string, notAfterMs = Date.now() + hourMs) {
  const root = makeRoot({ notAfterMs: Date.now() + hourMs })
  const extensions = leafExtensions('', subjectAltName(dnsName(name)))
  const { pem, keyPem } = makeLeaf(root, '', { notAfterMs, extensions })
  return { ca: root.pem, cert: pem, key: keyPem }
}
const dataOf = ({ ca, cert, key }: ReturnType<typeof makeServing>) => ({
  'ca.crt': base64(ca),
  'tls.crt': base64(cert),
  'tls.key': base64(key),
})

const useless: readonly (readonly [string, StoredObject])[] = [
  ['nothing', secret()],
  ['no certificates', secret({ 'tls.crt': base64('x'), 'tls.key': base64('y'), 'ca.crt': '' })],
  ['a certificate for another name', secret(dataOf(makeServing('other.onbehalf-system.svc')))],
  ['a certificate that has expired', secret(dataOf(makeServing(host, Date.now() - 1_000)))],
  ['a key of another', secret(dataOf({ ...makeServing(host), key: makeServing(host).key }))],
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

test('a Secret that is deleted is made anew, and its authority is named no more', async (t) => {
  const ground = await startGround(t)
  const replicas = await Promise.all([ground.replica(), ground.replica()])
  await Promise.all(replicas.map((replica) => replica.untilReady()))
  const [before = ''] = bundlesOf(ground)
  ground.api.delete(secretPath)
  await eventually(async () => replicas.every(({ lines }) => served(lines) >= 2))
  const [after = ''] = bundlesOf(ground)
  assert.equal(pemBlocks(after).length, 1)
  assert.notEqual(after, before)
  for (const { address } of replicas) {
    ground.endpoints.splice(0, 1, address.port)
    await create(ground)
  }
})

test('a Secret that serves is taken as it is', async (t) => {
  const ground = await startGround(t)
  const serving = makeServing(host)
  ground.api.put(secretPath, secret(dataOf(serving)))
  const replica = await ground.replica({ days: 0.01 })
  await replica.untilReady()
  assert.deepEqual(bundlesOf(ground), [base64(serving.ca), base64(serving.ca)])
})

/** As Kubernetes mounts a Secret: files behind a symlink that is swapped. */
async function mount(t: TestContext, serving: ReturnType<typeof makeServing>) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-mount-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const place = async (version: string, { cert, key }: Pick<typeof serving, 'cert' | 'key'>) => {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'tls.crt'), cert)
    await writeFile(join(folder, version, 'tls.key'), key)
    await symlink(version, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  await place('..1', serving)
  const [cert, key] = [join(folder, '..data/tls.crt'), join(folder, '..data/tls.key')] as const
  return { place, cert, key }
}

test('files that are swapped take effect for new connections, and those that do not fit do not', async (t) => {
  const ground = await startGround(t)
  const [first, second] = [makeServing(host), makeServing(host)]
  const files = await mount(t, first)
  const replica = await startReplica(t, (log) => certificateFromFiles(files.cert, files.key, log))
  await replica.untilReady()
  ground.endpoints.push(replica.address.port)
  ground.api.put(webhooksPath, named(base64(first.ca)))
  await create(ground)
  await files.place('..2', { cert: second.cert, key: first.key })
  await eventually(async () =>
    replica.lines.some(({ cause }) => cause === 'the key is not that of the certificate'),
  )
  await create(ground)
  ground.api.put(webhooksPath, named(base64(first.ca + second.ca)))
  const end = createOn(ground)
  await files.place('..3', second)
  await eventually(async () =>
    replica.lines.some(({ message }) => message === 'serving certificate in effect'),
  )
  assert.deepEqual((await end()).faults, [])
  ground.api.put(webhooksPath, named(base64(second.ca)))
  await create(ground)
})

test('a certificate that has expired is not ready', async (t) => {
  const files = await mount(t, makeServing(host, Date.now() - 1_000))
  const replica = await startReplica(t, (log) => certificateFromFiles(files.cert, files.key, log))
  assert.match((await replica.probe('/ready')).body, /the serving certificate has expired/)
})

test('one that is told to end is not ready at once, serves on, and cuts nothing off', async (t) => {
  const ground = await startGround(t)
  const [leaving, staying] = [await ground.replica({}, { drainDelayMs: 150 }), await ground.replica()]
  await Promise.all([leaving.untilReady(), staying.untilReady()])
  ground.endpoints.push(leaving.address.port, staying.address.port)
  const end = createOn(ground)
  await create(ground)
  const stopped = leaving.stop()
  assert.equal((await leaving.probe('/ready')).status, 503)
  await create(ground)
  // As a Service does, when it hears of it.
  ground.endpoints.shift()
  await stopped
  assert.deepEqual((await end()).faults, [])
  await assert.rejects(leaving.probe('/ready'), { code: 'ECONNREFUSED' })
})

test('while no injector is there, no pod gets in without one', async (t) => {
  const ground = await startGround(t)
  await assert.rejects(create(ground), (error) => error instanceof Rejection && error.code === 500)
})
