// `onbehalf inject` and `uninject` as commands: what they read, what they print, and their exit status.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { commands } from '../../deploy/cli/commands.ts'
import { main } from '../../sidecar/cli/main.ts'

const program = join(import.meta.dirname, '../../deploy/cli/onbehalf.ts')

const pod = (more = '') =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    app.kubernetes.io/name: Web\nspec:\n  containers:\n  - name: web # the app\n${more}`

async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-inject-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

async function run(cwd: string, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const output = (name: keyof typeof written) => ({ write: (text: string) => void (written[name] += text) })
  const status = await main(
    args,
    { stdout: output('stdout'), stderr: output('stderr'), env: {}, cwd },
    commands,
  )
  return { status, ...written }
}

test('a manifest in, an injected one out, and uninject gives it back', async (t) => {
  const cwd = await folderWith(t, { 'web.yaml': pod() })
  const injected = await run(cwd, 'inject', '-f', 'web.yaml', '--image', 'registry/onbehalf:1')
  assert.equal(injected.status, 0)
  assert.match(injected.stdout, /image: registry\/onbehalf:1/)
  assert.match(injected.stderr, /^web\.yaml:1: Pod\/web: warning: no container declares a port/)
  await writeFile(join(cwd, 'injected.yaml'), injected.stdout)
  assert.deepEqual(await run(cwd, 'uninject', '-f', 'injected.yaml'), {
    status: 0,
    stdout: pod(),
    stderr: '',
  })
})

test('by standard input, as behind kubectl kustomize', () => {
  const { status, stdout } = spawnSync(process.execPath, [program, 'inject', '-f', '-'], {
    input: pod(),
    timeout: 20_000,
  })
  assert.equal(status, 0)
  assert.match(String(stdout), /restartPolicy: Always/)
})

test('a result that cannot be written ends with status 2, in words', async () => {
  const full = await open('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [program, 'install'], {
    stdio: ['ignore', full.fd, 'pipe'],
    timeout: 20_000,
  })
  await full.close()
  assert.equal(status, 2)
  assert.equal(String(stderr), 'onbehalf: cannot write to standard output: ENOSPC\n')
})

test('several files are one stream', async (t) => {
  const cwd = await folderWith(t, { 'a.yaml': 'kind: A', 'b.yaml': 'kind: B\n' })
  assert.equal((await run(cwd, 'inject', '-f', 'a.yaml', '-f', 'b.yaml')).stdout, 'kind: A\n---\nkind: B\n')
})

test('uninject says which sidecars stay: those that another program wrote anew', async (t) => {
  const cwd = await folderWith(t, { 'web.yaml': pod() })
  const { stdout } = await run(cwd, 'inject', '-f', 'web.yaml')
  const rewritten = stdout.replaceAll(/^ *#.*\n/gm, '')
  await writeFile(join(cwd, 'rewritten.yaml'), rewritten)
  assert.deepEqual(await run(cwd, 'uninject', '-f', 'rewritten.yaml'), {
    status: 1,
    stdout: rewritten,
    stderr: 'rewritten.yaml: Pod/web: keeps its sidecar, which no block holds: take it out by hand\n',
  })
})

test('--dry-run says what would become of each, and prints no manifest', async (t) => {
  const left = pod().replace('  labels:', '  annotations:\n    onbehalf.dev/inject: "false"\n  labels:')
  const cwd = await folderWith(t, { 'web.yaml': `${pod()}---\n${left}` })
  const { status, stdout, stderr } = await run(cwd, 'inject', '-f', 'web.yaml', '--dry-run')
  assert.deepEqual([status, stdout], [0, ''])
  assert.match(stderr, /^web\.yaml:1: Pod\/web: would be injected$/m)
  assert.match(stderr, /^web\.yaml:11: Pod\/web: stays as it is: injection is not asked for$/m)
})

test('the label by which the webhook leaves a pod out leaves it out here, too; the annotation is over it', async (t) => {
  const labelled = pod().replace('  labels:\n', '  labels:\n    onbehalf.dev/inject: "false"\n')
  const both = labelled.replace('  labels:', '  annotations:\n    onbehalf.dev/inject: "true"\n  labels:')
  const cwd = await folderWith(t, { 'a.yaml': labelled, 'b.yaml': both })
  assert.equal((await run(cwd, 'inject', '-f', 'a.yaml')).stdout, labelled)
  assert.notEqual((await run(cwd, 'inject', '-f', 'b.yaml')).stdout, both)
})

test('where one pod is refused nothing is printed, and every reason is said', async (t) => {
  const bad = pod('  hostNetwork: true\n').replace(
    '  labels:',
    '  annotations:\n    onbehalf.dev/prelaod: "true"\n  labels:',
  )
  const cwd = await folderWith(t, { 'web.yaml': `${pod()}---\n${bad}` })
  const { status, stdout, stderr } = await run(cwd, 'inject', '-f', 'web.yaml')
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(
    stderr,
    /^web\.yaml:11: Pod\/web: annotation onbehalf\.dev\/prelaod: is not known; did you mean "preload"\?$/m,
  )
  assert.match(stderr, /^web\.yaml:11: Pod\/web: hostNetwork: /m)
})

test('a block that was changed since: told, and exit status 1', async (t) => {
  const cwd = await folderWith(t, { 'web.yaml': pod() })
  const { stdout } = await run(cwd, 'inject', '-f', 'web.yaml')
  await writeFile(join(cwd, 'web.yaml'), stdout.replace('port: 15021', 'port: 1'))
  const { status, stdout: plain, stderr } = await run(cwd, 'uninject', '-f', 'web.yaml')
  assert.deepEqual([status, plain], [1, pod()])
  assert.match(stderr, /^web\.yaml:\d+: this block was changed since/)
})

test('--dry-run says where there is nothing to inject', async (t) => {
  const cwd = await folderWith(t, { 'a.yaml': 'kind: A\n', 'empty.yaml': '' })
  const { status, stderr } = await run(cwd, 'inject', '-f', 'a.yaml', '-f', 'empty.yaml', '--dry-run')
  assert.equal(status, 0)
  assert.equal(
    stderr,
    'a.yaml: holds no workload, so nothing would be injected\nempty.yaml: holds no workload, so nothing would be injected\n',
  )
})

const broken: readonly (readonly [string, string, string])[] = [
  ['a tab', 'kind: A\nmetadata:\n\tname: x\n', 'web.yaml:3:1: Tabs are not allowed as indentation\n'],
  [
    'a template, by its first fault alone',
    'kind: A\nspec: {{ .Values.a }}\n{{- if b }}\nx: 1\n{{- end }}\n',
    'web.yaml:3:1: Implicit keys need to be on a single line; a template is rendered first (helm template)\n',
  ],
  ['a text', 'hello world\n', 'web.yaml:1:1: is no Kubernetes object, which is a mapping\n'],
  ['a list', 'kind: A\n---\n# b\n- b\n', 'web.yaml:4:1: is no Kubernetes object, which is a mapping\n'],
  [
    'a block without an end',
    'a: 1\n# >>> onbehalf.dev (x)\n',
    'web.yaml:2: the block that begins here has no end\n',
  ],
]
for (const [name, text, said] of broken)
  test(`what is no manifest is refused by its place: ${name}`, async (t) => {
    const cwd = await folderWith(t, { 'web.yaml': text })
    assert.deepEqual(await run(cwd, 'inject', '-f', 'web.yaml'), { status: 1, stdout: '', stderr: said })
  })

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [['inject'], /say which manifest, by -f FILE/],
  [['inject', '-f', 'none.yaml'], /cannot read none\.yaml: ENOENT/],
  [['inject', '-f', 'web.yaml', '--sidecar', 'natve'], /--sidecar: "natve" is none of native, classic/],
  [
    ['inject', '-f', 'web.yaml', '--certificate-source', 'secret/'],
    /--certificate-source: "secret\/" is none of/,
  ],
  [['inject', '-f', 'web.yaml', '--redirect-image', ''], /--redirect-image: "" is no name of an image/],
  [['inject', '-f', 'web.yaml', '--mesh', 'A_b'], /--mesh: "A_b" is no name of an object/],
  [
    ['inject', '-f', 'web.yaml', '--certificate', 'spiffe'],
    /no option --certificate; did you mean "--certificate-source"\?/,
  ],
  [['inject', '-f', 'latin1.yaml'], /latin1\.yaml is not UTF-8/],
  [['inject', 'web.yaml'], /a manifest is named by -f: -f web\.yaml/],
  [['inject', '-f', '-', '-f', '-'], /standard input can be read once/],
  [['uninject'], /say which manifest/],
  [['uninject', 'web.yaml'], /a manifest is named by -f: -f web\.yaml/],
]
for (const [args, why] of wrong)
  test(`wrong use: ${args.join(' ')}`, async (t) => {
    const cwd = await folderWith(t, { 'web.yaml': pod() })
    await writeFile(join(cwd, 'latin1.yaml'), Buffer.from([0x23, 0xe9, 0x0a]))
    const { status, stdout, stderr } = await run(cwd, ...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, why)
  })
