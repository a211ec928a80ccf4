// The demo's manifests: they render, belong together, and their mesh files are ones that a sidecar takes.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parse } from 'yaml'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { render, type Files, type KubernetesObject } from '../../deploy/kubernetes/install/kustomize.ts'
import { validate } from '../../sidecar/cli/validate.ts'
import { demoFiles, meshIssuer } from './demo-files.ts'
import { byName, kustomized, skipWithoutKubectl } from './kustomized.ts'

const components = ['cert-manager', 'redis-given']
const files = await demoFiles(components)
const objects = render(files, '.')

async function folderWith(t: TestContext, contents: Files): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-shop-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

test('the same objects as kubectl kustomize makes', { skip: skipWithoutKubectl }, async (t) => {
  assert.deepEqual(byName(objects), byName(kustomized(await folderWith(t, files))))
})

for (const name of ['mesh.yaml', 'redis-given/mesh.yaml'])
  test(`${name} is one that a sidecar takes`, async (t) => {
    const cwd = await folderWith(t, { ...(await demoFiles([])), password: 'x' })
    const text = files[name]?.replace('/etc/onbehalf/secrets/onbehalf-redis/password', 'password') ?? ''
    await writeFile(join(cwd, 'mesh.yaml'), text)
    const written: string[] = []
    const output = { write: (part: string) => void written.push(part) }
    const io = { stdout: output, stderr: output, env: {}, cwd }
    assert.equal(await validate(['--config', 'mesh.yaml'], io), 0, written.join(''))
  })

test('the mesh file with a Redis is the other one and a store', () => {
  const { store, ...rest } = parse(files['redis-given/mesh.yaml'] ?? '') as Record<string, unknown>
  assert.deepEqual(rest, parse(files['mesh.yaml'] ?? ''))
  assert.ok(store !== undefined)
})

const of = (kind: string) => objects.filter((object) => object.kind === kind)
const deployments = of('Deployment')
const template = (deployment: KubernetesObject) => {
  const found = deployment.spec?.template
  assert.ok(found !== undefined)
  return found
}

test('every pod can be injected, without a warning', () => {
  for (const deployment of deployments) {
    const injection = injectPod(template(deployment), defaultSettings('1'), true)
    assert.equal(injection.kind, 'injected', JSON.stringify(injection))
    assert.deepEqual(injection.kind === 'injected' && injection.warnings, [])
  }
})

interface Certificate {
  readonly spec: { readonly secretName: string; readonly uris: readonly string[] }
}
interface Mesh {
  readonly routes: readonly { readonly name: string; readonly account?: string }[]
}

test('each account of the mesh file has a certificate, in the Secret that the pods of its service name', () => {
  const { routes } = parse(files['mesh.yaml'] ?? '') as Mesh
  const certificates = of('Certificate') as unknown as readonly Certificate[]
  for (const deployment of deployments) {
    const annotations = template(deployment).metadata?.annotations ?? {}
    const account = routes.find(({ name }) => name === annotations['onbehalf.dev/service'])?.account
    const secret = annotations['onbehalf.dev/certificate']?.replace('secret/', '')
    const uris = certificates.find(({ spec }) => spec.secretName === secret)?.spec.uris
    assert.deepEqual(uris, account === undefined ? undefined : [`spiffe://${meshIssuer}/${account}`])
  }
})

interface Selecting {
  readonly metadata: { readonly name: string }
  readonly spec: Readonly<Record<string, unknown>>
}

/** Those whose selector, the first object of their specification, chooses the pods of their own name. */
function selectingTheirOwn(kind: string): string[] {
  const found = of(kind) as unknown as readonly Selecting[]
  return found.flatMap(({ metadata, spec }) => {
    const selector = JSON.stringify(Object.values(spec).find((value) => typeof value === 'object'))
    return selector.includes(`"app.kubernetes.io/name":"${metadata.name}"`) ? [metadata.name] : []
  })
}

test('each Deployment has a budget for disruptions, a Service and a network policy of its own', () => {
  const names = deployments.map(({ metadata }) => metadata.name)
  for (const kind of ['PodDisruptionBudget', 'Service', 'NetworkPolicy'])
    assert.deepEqual(selectingTheirOwn(kind), names, kind)
})

test('what pods mount is there', () => {
  const maps = new Set(of('ConfigMap').map(({ metadata }) => metadata.name))
  const mounted = deployments.flatMap((deployment) =>
    (template(deployment).spec.volumes ?? []).map(
      ({ configMap }) => (configMap as { name: string } | undefined)?.name ?? '',
    ),
  )
  for (const name of [...mounted, 'onbehalf-mesh']) assert.ok(maps.has(name), name)
})
