// The injector's certificate out of files, and its end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { certificateFromFiles } from '../../deploy/kubernetes/injector/serving-certificate.ts'
import { eventually } from '../support/eventually.ts'
import { Rejection } from './admission.ts'
import {
  base64,
  create,
  createOn,
  host,
  makeServing,
  named,
  served,
  startGround,
  startReplica,
  webhooksPath,
} from './injector-ground.ts'

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
    replica.lines.some(({ cause }) =>
      /^\/.*, \/.*: the key is not that of the certificate$/.test(String(cause)),
    ),
  )
  assert.equal(await replica.failedRenewals(), 1)
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
  assert.equal(served(replica.lines), 1)
  assert.equal(await replica.failedRenewals(), 0)
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
  const newcomer = connect(leaving.address.port, '127.0.0.1')
  await once(newcomer, 'connect')
  newcomer.destroy()
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
