// Files as a kubelet changes them: links through `..data`, which is swapped for another generation at once.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { X509Certificate } from 'node:crypto'
import { startSidecar } from '../../sidecar/sidecar.ts'
import { readMesh } from '../../sidecar/mesh-file.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'

type Files = Readonly<Record<string, string>>

/** A volume that is a ConfigMap or a Secret. */
async function makeVolume(t: TestContext, files: Files) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-volume-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  let generation = 0
  const swap = async (next: Files) => {
    const name = `..2026_11_27_00_00_${String(++generation).padStart(2, '0')}.1`
    await mkdir(join(folder, name))
    for (const [file, text] of Object.entries(next)) await writeFile(join(folder, name, file), text)
    await symlink(name, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    if (generation > 1)
      await rm(join(folder, `..2026_11_27_00_00_${String(generation - 1).padStart(2, '0')}.1`), {
        recursive: true,
      })
  }
  await swap(files)
  for (const file of Object.keys(files)) await symlink(join('..data', file), join(folder, file))
  return { folder, swap }
}

test('a mesh file and a certificate that a kubelet swaps are in effect soon, and no request fails meanwhile', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const object = JSON.parse(await readFile(mesh.meshFile, 'utf8')) as { services: Record<string, object> }
  const [inbound = 0, outbound = 0, admin = 0, probes = 0] = await freePorts(4)
  const withLevel = (level: string) =>
    JSON.stringify({ ...object, log: { level }, mesh: { issuer: 'mesh.companydomain.com', ca: 'ca.pem' } })
  const ca = await readFile(join(mesh.folder, 'ca.pem'), 'utf8')
  const config = await makeVolume(t, { 'mesh.yaml': withLevel('info'), 'ca.pem': ca })
  const pairOf = async () => {
    const { certificatePem, keyPem } = await mesh.certified('api-access', Date.now())
    return { 'tls.crt': certificatePem, 'tls.key': keyPem }
  }
  const secret = await makeVolume(t, await pairOf())
  const sidecar = await startSidecar({
    read: async () => {
      const answer = await readMesh({
        flags: {
          config: join(config.folder, 'mesh.yaml'),
          service: 'App',
          app: `http://127.0.0.1:${mesh.apps.App.port}`,
          certificate: join(secret.folder, 'tls.crt'),
          key: join(secret.folder, 'tls.key'),
          'listen-inbound': `127.0.0.1:${inbound}`,
          'listen-outbound': `127.0.0.1:${outbound}`,
          'listen-admin': `127.0.0.1:${admin}`,
          'listen-probes': `127.0.0.1:${probes}`,
          'admin-token-file': join(mesh.folder, 'token'),
        },
        env: {},
        cwd: mesh.folder,
      })
      const lines = (severity: string) =>
        answer.problems.filter((each) => each.severity === severity).map(formatProblem)
      return {
        mesh: answer.mesh,
        file: answer.source.file,
        endsInNewline: true,
        errors: lines('error'),
        warnings: lines('warning'),
      }
    },
    now: Date.now,
    output: { write: () => undefined },
    env: {},
    onShutdown: () => undefined,
  })
  t.after(() => sidecar.stop())

  const failures: unknown[] = []
  const over = new AbortController()
  const visits = (async () => {
    while (!over.signal.aborted) {
      const token = await mesh.pomerium.assertion('alice', hosts.App)
      const answer = await send({ port: inbound, target: '/', headers: ['X-Pomerium-Jwt-Assertion', token] })
      if (answer.status !== 200) failures.push(answer.status)
    }
  })()
  const body = async (target: string) =>
    (await send({ port: admin, target, host: `127.0.0.1:${admin}` })).body
  await config.swap({ 'mesh.yaml': withLevel('warn'), 'ca.pem': ca })
  await eventually(async () => /"level":\s*"warn"/.test(await body('/config')))
  for (let renewal = 0; renewal < 2; renewal++) {
    const pair = await pairOf()
    const coordinate = new X509Certificate(pair['tls.crt']).publicKey.export({ format: 'jwk' }).x as string
    await secret.swap(pair)
    await eventually(async () => (await body('/.well-known/pomerium/jwks.json')).includes(coordinate))
  }
  over.abort()
  await visits
  assert.deepEqual(failures, [])
})
