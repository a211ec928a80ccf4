// `onbehalf install` and the files behind it: what kustomize would make of them, in the namespace and with the images asked for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { commands } from '../../deploy/cli/commands.ts'
import { render, type KubernetesObject } from '../../deploy/kubernetes/install/kustomize.ts'
import { manifestFiles } from '../../deploy/kubernetes/install/manifests.ts'
import { prometheusRule } from '../../deploy/kubernetes/install/prometheus-rule.ts'
import { main } from '../../sidecar/cli/main.ts'
import { byName, kustomized, skipWithoutKubectl } from './kustomized.ts'
import { selectingWebhooks, type Webhooks } from './webhook-selection.ts'

const root = join(import.meta.dirname, '../..')
const files = manifestFiles()
const folders = ['base', 'own-certificates', 'cert-manager', 'monitoring', 'redis-trial'].map((name) =>
  name === 'base' ? 'kubernetes/base' : `kubernetes/overlays/${name}`,
)

async function run(...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const output = (name: keyof typeof written) => ({ write: (text: string) => void (written[name] += text) })
  const io = { stdout: output('stdout'), stderr: output('stderr'), env: {}, cwd: '/' }
  return { status: await main(args, io, commands), ...written }
}

async function installed(...args: string[]): Promise<KubernetesObject[]> {
  const { status, stdout, stderr } = await run('install', ...args)
  assert.deepEqual([status, stderr], [0, ''])
  // kubectl reads YAML 1.1.
  return parseAllDocuments(stdout, { version: '1.1' }).map((document) => document.toJS() as KubernetesObject)
}

function injectorOf(objects: readonly KubernetesObject[]) {
  const found = objects.find(({ kind, metadata }) => kind === 'Deployment' && /injector/.test(metadata.name))
  const container = found?.spec?.template?.spec.containers[0]
  assert.ok(container !== undefined)
  return container
}

for (const folder of folders)
  test(`${folder}: the same objects as kubectl kustomize makes`, { skip: skipWithoutKubectl }, () => {
    assert.deepEqual(byName(render(files, folder)), byName(kustomized(join(root, 'deploy', folder))))
  })

test('without options: the injector with certificates of its own, the namespace first', async () => {
  const objects = await installed()
  assert.deepEqual(objects, render(files, 'kubernetes/overlays/own-certificates'))
  assert.equal(objects[0]?.kind, 'Namespace')
})

test('applied again, the Secret of the injector keeps its data and its type', async () => {
  const secrets = (await installed()).filter(({ kind }) => kind === 'Secret')
  // Both ways of applying remove only what was applied before.
  assert.deepEqual(
    secrets.map((secret) => Object.keys(secret)),
    [['apiVersion', 'kind', 'metadata']],
  )
})

test('several overlays are one stream, and cert-manager takes the place of own certificates', async () => {
  const objects = await installed('--overlay', 'monitoring', '--overlay', 'cert-manager')
  const expected = ['cert-manager', 'monitoring'].flatMap((name) =>
    render(files, `kubernetes/overlays/${name}`),
  )
  assert.deepEqual(objects, expected)
})

test('the bundle prints what the sources say', async () => {
  const { stdout } = await run('install', '--overlay', 'monitoring', '--overlay', 'redis-trial')
  const args = [
    join(root, 'dist/onbehalf.cjs'),
    'install',
    '--overlay',
    'monitoring',
    '--overlay',
    'redis-trial',
  ]
  const bundled = spawnSync(process.execPath, args, { timeout: 20_000, encoding: 'utf8' })
  assert.equal(bundled.stdout, stdout)
})

test('another namespace: the first one is mentioned nowhere', async () => {
  for (const overlay of ['own-certificates', 'cert-manager']) {
    const args = ['install', '--overlay', overlay, '--overlay', 'monitoring', '--overlay', 'redis-trial']
    const [before, after] = [await run(...args), await run(...args, '--namespace', 'mesh')]
    assert.match(before.stdout, /onbehalf-system/)
    assert.doesNotMatch(after.stdout, /onbehalf-system/)
    assert.equal(after.stdout, before.stdout.replaceAll('onbehalf-system', 'mesh'))
  }
})

test('the images: the injector is one of them, and gives both to pods', async () => {
  const { image, args } = injectorOf(
    await installed('--image', 'registry.example.com/onbehalf:1', '--redirect-image', 'r/redirect:1'),
  )
  assert.equal(image, 'registry.example.com/onbehalf:1')
  assert.deepEqual(args?.slice(2), [
    '--image=registry.example.com/onbehalf:1',
    '--redirect-image=r/redirect:1',
  ])
})

for (const overlay of ['own-certificates', 'cert-manager'])
  test(`${overlay}: the injector takes its arguments`, async () => {
    const settings = ['--sidecar', 'classic', '--intercept', 'none', '--certificate-source', 'spiffe']
    const { args = [] } = injectorOf(await installed('--overlay', overlay, ...settings))
    assert.ok(args.includes('--certificate-source=spiffe'))
    const { status, stderr } = await run(...args, '--help')
    assert.deepEqual([status, stderr], [0, ''])
  })

test('the images have the version of this release', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal(injectorOf(render(files, 'kubernetes/base')).image, `onbehalf:${version}`)
})

test('the PrometheusRule is made of the rules', async () => {
  const made = files['kubernetes/overlays/monitoring/prometheus-rule.yaml']
  assert.equal(made, await prometheusRule(), 'run: node deploy/kubernetes/install/prometheus-rule.ts')
})

const asked = { 'onbehalf.dev/inject': 'enabled' }
const selections: readonly (readonly [string, Labels, Labels, number])[] = [
  ['shop', asked, {}, 1],
  ['shop', asked, { 'onbehalf.dev/inject': 'true' }, 1],
  ['shop', asked, { 'onbehalf.dev/inject': 'false' }, 0],
  ['shop', {}, {}, 0],
  ['shop', {}, { 'onbehalf.dev/inject': 'true' }, 1],
  ['kube-system', asked, { 'onbehalf.dev/inject': 'true' }, 0],
  ['kube-system', {}, { 'onbehalf.dev/inject': 'true' }, 0],
  ['onbehalf-system', asked, {}, 0],
  ['onbehalf-system', {}, { 'onbehalf.dev/inject': 'true' }, 0],
]
type Labels = Readonly<Record<string, string>>
const webhooks = render(files, 'kubernetes/base').find(({ kind }) =>
  /Webhook/.test(kind),
) as unknown as Webhooks
for (const [namespace, namespaceLabels, podLabels, times] of selections)
  test(`a pod ${JSON.stringify(podLabels)} in ${namespace} ${JSON.stringify(namespaceLabels)}: asked about ${times} times`, () => {
    const labels = { ...namespaceLabels, 'kubernetes.io/metadata.name': namespace }
    assert.equal(selectingWebhooks(webhooks, labels, podLabels).length, times)
  })

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [['--overlay', 'monitor'], /--overlay: "monitor" is none of own-certificates, cert-manager, monitoring/],
  [['--overlay', 'cert-manager', '--overlay', 'own-certificates'], /--overlay: say one of/],
  [['--namespace', 'Mesh'], /--namespace: "Mesh" is no name of a namespace/],
  [['--image', 'a b'], /--image: "a b" is no name of an image/],
  [['--image='], /--image: "" is no name of an image/],
  [['--redirect-image', 'a b'], /--redirect-image: "a b" is no name of an image/],
  [['--mesh', 'A_b'], /--mesh: "A_b" is no name of an object/],
  [['--namespace', 'kube-system'], /--namespace: "kube-system" is the cluster's/],
  [['--namespace', 'default'], /--namespace: "default" is the cluster's/],
  [['--sidecar', 'natve'], /--sidecar: "natve" is none of native, classic/],
]
for (const [args, why] of wrong)
  test(`wrong use: install ${args.join(' ')}`, async () => {
    const { status, stdout, stderr } = await run('install', ...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, why)
  })
