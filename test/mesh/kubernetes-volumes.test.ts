// Files as a kubelet changes them: links through `..data`, which is swapped for another generation at once.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { X509Certificate } from 'node:crypto'
import { startSidecar } from '../../sidecar/sidecar.ts'
import { readMesh } from '../../sidecar/mesh-file.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { makeVolume } from '../support/volume.ts'

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

  const statuses: number[] = []
  const over = new AbortController()
  const visits = (async () => {
    while (!over.signal.aborted) {
      const token = await mesh.pomerium.assertion('alice', hosts.App)
      const answer = await send({ port: inbound, target: '/', headers: ['X-Pomerium-Jwt-Assertion', token] })
      statuses.push(answer.status)
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
  assert.deepEqual([...new Set(statuses)], [200])
})
