// What the pages about Kubernetes show: each object is one that an API server takes, each mesh file one for a sidecar, each command one that parses.
import assert from 'node:assert/strict'
import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { commands } from '../../deploy/cli/commands.ts'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { annotationsPage } from '../../deploy/kubernetes/install/annotations-page.ts'
import { loadMesh } from '../../shared/config/load.ts'
import { main } from '../../sidecar/cli/main.ts'
import { validateObject } from './schemas.ts'

const folder = join(import.meta.dirname, '../../deploy/kubernetes')
const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.md'))
const pages = await Promise.all(
  names.map(async (name) => ({ name, text: await readFile(join(folder, name), 'utf8') })),
)
const readme = pages.find(({ name }) => name === 'README.md')?.text ?? ''

/** Those in lists are indented. */
function blocksOf(page: string, language: string): string[] {
  return [...page.matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gm)].flatMap(([, found, text = '']) =>
    found === language ? [text] : [],
  )
}

const blocks = pages.flatMap(({ name, text }) =>
  blocksOf(text, 'yaml').map((block, i) => ({ title: `${name}, block ${i + 1}`, block })),
)

test('there are blocks', () => assert.ok(blocks.length > 3))

for (const { title, block } of blocks)
  test(`${title} is valid`, async () => {
    const objects = parseAllDocuments(block).map((document) => document.toJS() as Record<string, unknown>)
    const isMesh = objects.every((object) => object['kind'] === undefined)
    if (isMesh) return assertMesh(objects[0] ?? {})
    for (const object of objects) assert.deepEqual(validateObject(object), [])
  })

/** A part of a mesh file, in that of the demo. */
async function assertMesh(part: object): Promise<void> {
  const demo = parse(await readFile(join(folder, 'demo/mesh.yaml'), 'utf8')) as object
  const { problems } = loadMesh({ file: 'mesh.yaml', text: stringify({ ...demo, ...part }), service: 'App' })
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  )
}

const shown = pages.flatMap(({ text }) =>
  [
    ...blocksOf(text, 'sh')
      .join('\n')
      .matchAll(/^ *onbehalf (.*?)(?: \| .*)?$/gm),
    ...text.matchAll(/`onbehalf ([^`|]*)/g),
  ].map(([, line = '']) => line.trim()),
)

test('there are commands', () => assert.ok(shown.length > 8))

for (const line of new Set(shown))
  test(`it parses: onbehalf ${line}`, async () => {
    const written: string[] = []
    const output = { write: (text: string) => void written.push(text) }
    const io = { stdout: output, stderr: output, env: {}, cwd: '/' }
    assert.equal(await main([...line.split(' '), '--help'], io, commands), 0, written.join(''))
    assert.match(written.join(''), /^Usage: onbehalf/)
  })

for (const { name, text } of pages)
  test(`${name}: what it links to is there`, async () => {
    const headings = new Set(
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(' ', '-')),
    )
    for (const [, path = '', anchor] of text.matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      if (path === '') assert.ok(headings.has(anchor ?? ''), `there is no heading for #${anchor}`)
      else await access(join(folder, dirname(name), path))
    }
  })

test('the page of the annotations is made of their table', () => {
  const page = pages.find(({ name }) => name === 'annotations.md')?.text
  assert.equal(page, annotationsPage(), 'run: node deploy/kubernetes/install/annotations-page.ts')
})

const annotated = (annotations: Readonly<Record<string, string>>): PodTemplate => ({
  metadata: { labels: { 'app.kubernetes.io/name': 'App' }, annotations },
  spec: { containers: [{ name: 'app', ports: [{ containerPort: 8080 }] }] },
})
const specified = (spec: Partial<PodTemplate['spec']>, annotations = {}): PodTemplate => {
  const pod = annotated(annotations)
  return { ...pod, spec: { ...pod.spec, ...spec } }
}
const contained = (container: object, annotations = {}) =>
  specified({ containers: [{ name: 'app', ...container }] }, annotations)

const refused: readonly PodTemplate[] = [
  specified({ hostNetwork: true }),
  specified({ os: { name: 'windows' } }),
  specified({ containers: [{ name: 'onbehalf' }] }),
  specified({ volumes: [{ name: 'onbehalf-mesh' }] }),
  contained({ ports: [{ containerPort: 15_001 }] }),
  contained({ securityContext: { runAsUser: 15_000 } }),
  specified({ securityContext: { runAsUser: 15_000 } }),
  specified({ containers: [{ name: 'istio-proxy' }] }),
  specified({ restartPolicy: 'Never' }, { 'onbehalf.dev/sidecar': 'classic' }),
  annotated({ 'onbehalf.dev/prelaod': 'true' }),
  annotated({ 'onbehalf.dev/sidecar': 'natve' }),
  { spec: annotated({}).spec },
  annotated({ 'onbehalf.dev/app-port': 'web' }),
  annotated({ 'onbehalf.dev/app-port': '15006' }),
  annotated({ 'onbehalf.dev/app-port': '70000' }),
  annotated({ 'onbehalf.dev/memory-request': '2Gi', 'onbehalf.dev/memory-limit': '1Gi' }),
  annotated({ 'onbehalf.dev/preload': 'web' }),
  contained({ env: [{ name: 'NODE_OPTIONS', valueFrom: {} }] }, { 'onbehalf.dev/preload': 'true' }),
  contained({ livenessProbe: { tcpSocket: { port: 'web' } } }),
]

/** The first column of the table of reasons; … stands for anything. */
const rows = (/\| reason \| [^]*?\n\n/.exec(readme)?.[0] ?? '')
  .split('\n')
  .slice(2)
  .flatMap((row) => /^\| `(.*?)` \|/.exec(row)?.[1] ?? [])
const patternOf = (row: string) =>
  new RegExp(`^${row.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`).replaceAll('…', '.*')}$`)

test('each reason for which a pod is refused is in the table, and nothing else is', () => {
  const reasons = refused.flatMap((pod) => {
    const injection = injectPod(pod, defaultSettings('1'), true)
    assert.equal(injection.kind, 'refused', JSON.stringify(pod))
    return injection.kind === 'refused' ? injection.reasons : []
  })
  for (const reason of reasons)
    assert.ok(
      rows.some((row) => patternOf(row).test(reason)),
      reason,
    )
  for (const row of rows)
    assert.ok(
      reasons.some((reason) => patternOf(row).test(reason)),
      row,
    )
})
