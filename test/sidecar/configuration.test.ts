// What is in effect of files that change while they are read: all of one generation, or all of another.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { formatProblem } from '../../shared/config/problem.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { noRevocations } from '../../sidecar/cli/no-revocations.ts'
import { Configuration, load } from '../../sidecar/configuration.ts'
import { readMesh } from '../../sidecar/mesh-file.ts'
import { createMemoryStore } from '../../sidecar/store/memory.ts'
import { createLog } from '../../sidecar/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { makeVolume, type Files } from '../support/volume.ts'

const meshIssuer = 'mesh.example.com'

interface Generation {
  readonly maxHops: number
  readonly ca: string
  readonly files: Files
}

/** Each has its own number of hops, CA and certificate. Of one mesh, any one's would do beside any one's mesh file. */
async function generation(maxHops: number, issuer = meshIssuer): Promise<Generation> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer, days: 1, nowMs })
  const pair = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer,
    dnsNames: [],
    account: 'app-access',
    days: 1,
    nowMs,
  })
  const mesh = {
    issuers: [{ issuer: 'hostOnly', jwks: 'jwks.json', single_use: true }],
    mesh: { issuer, ca: 'ca.pem', max_hops: maxHops },
    routes: [
      {
        name: 'App',
        from: 'https://app.example.com',
        to: 'http://127.0.0.1:1',
        account: 'app-access',
        allow_any_authenticated_user: true,
      },
    ],
    services: {
      App: { app: 'http://127.0.0.1:9', credential: { certificate: 'tls.crt', key: 'tls.key' } },
    },
  }
  const files = {
    'mesh.yaml': `${JSON.stringify(mesh)}\n`,
    'jwks.json': '{"keys": []}',
    'ca.pem': ca.certificatePem,
    'tls.crt': pair.certificatePem,
    'tls.key': pair.keyPem,
  }
  return { maxHops, ca: new X509Certificate(ca.certificatePem).fingerprint256, files }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= act())
}

/** A configuration of a volume; `during` happens when the mesh file was read, and what it names was not. */
async function configure(t: TestContext, first: Generation) {
  const volume = await makeVolume(t, first.files)
  const state = { during: async () => {}, log: '' }
  const read = async () => {
    const flags = { config: join(volume.folder, 'mesh.yaml') }
    const { mesh, problems, source } = await readMesh({ flags, env: {}, cwd: volume.folder })
    await state.during()
    return { mesh, file: source.file, errors: problems.map(formatProblem), warnings: [] }
  }
  const options = { read, now: Date.now }
  const loaded = await load(options)
  const store = createMemoryStore(Date.now)
  const configuration = new Configuration(options, loaded, { store, revocations: noRevocations })
  t.after(() => configuration.close())
  const output = { write: (line: string) => void (state.log += line) }
  await configuration.start(createLog({ ...loaded.mesh.log, format: 'json' }, output, Date.now))
  return { configuration, volume, state }
}

test('files that are swapped while they are read are in effect as the one or as the other', async (t) => {
  const [first, second, third] = await Promise.all([generation(1), generation(2), generation(3)])
  const { configuration, volume, state } = await configure(t, first)
  const seen: unknown[] = []
  configuration.onReload(() => {
    const { mesh, trust } = configuration.current.snapshot
    seen.push([mesh.maxHops, trust.authorities.get(meshIssuer)?.roots[0]?.fingerprint256])
  })
  state.during = once(() => volume.swap(third.files))
  await volume.swap(second.files)
  await eventually(async () => seen.length > 0)
  assert.deepEqual(seen, [[third.maxHops, third.ca]])
})

test('what fits together in no way because it was swapped while it was read is no fault', async (t) => {
  const [first, second, third] = await Promise.all([
    generation(1),
    generation(2),
    generation(3, 'other.example.com'),
  ])
  const { configuration, volume, state } = await configure(t, first)
  state.during = once(() => volume.swap(third.files))
  await volume.swap(second.files)
  await eventually(async () => configuration.current.snapshot.mesh.maxHops === third.maxHops)
  assert.doesNotMatch(state.log, /not reloaded/)
})

test('a certificate beside the key of another is refused, and the pair that was good stays', async (t) => {
  const [first, second] = await Promise.all([generation(1), generation(2)])
  const { configuration, volume, state } = await configure(t, first)
  const { credential } = configuration.current
  await volume.swap({ ...first.files, 'tls.key': second.files['tls.key'] ?? '' })
  await configuration.reload('the test')
  assert.equal(configuration.current.credential, credential)
  assert.match(state.log, /not reloaded/)
})

test('the files that were read to check the mesh file are not read again', async (t) => {
  const volume = await makeVolume(t, (await generation(1)).files)
  const flags = { config: join(volume.folder, 'mesh.yaml') }
  const { mesh, material } = await readMesh({ flags, env: {}, cwd: volume.folder })
  const reading = { mesh, material, file: flags.config, errors: [], warnings: [] }
  const loaded = await load({ read: async () => reading, now: Date.now })
  assert.ok(material !== undefined)
  assert.equal(loaded.material, material)
})
