// Manifests as text: whatever their style, what is injected is what is meant, and it comes off again byte for byte.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAllDocuments, type Document } from 'yaml'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import type { PodSpec } from '../../deploy/kubernetes/injection/pod.ts'
import { applyPatch } from '../../deploy/kubernetes/injection/patch.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { injectManifest, uninjectManifest } from '../../deploy/kubernetes/manifest/manifest.ts'

const settings = defaultSettings('1.2.3')

function injected(text: string): string {
  const { text: result, problems, outcomes } = injectManifest(text, settings)
  assert.deepEqual(problems, [])
  const refusals = outcomes.flatMap(({ injection }) =>
    injection.kind === 'refused' ? injection.reasons : [],
  )
  assert.deepEqual(refusals, [])
  return result
}

const pod = (container: string, more = '') => `apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app.kubernetes.io/name: Web}
spec:
  containers:
${container}${more}`

const plain = `  - name: web # the app
    image: "web:1"
`

/** Each by its name: styles that an editor of text could stumble over. */
const styles: Readonly<Record<string, string>> = {
  'unindented lists': pod(plain),
  'indented lists': pod(plain.replaceAll(/^/gm, '  ').replace(/ +$/, '')),
  CRLF: pod(plain).replaceAll('\n', '\r\n'),
  'no line feed at the end': pod(plain).trimEnd(),
  'CRLF, none at the end': pod(plain).replaceAll('\n', '\r\n').trimEnd(),
  'a byte order mark': `\uFEFF${pod(plain)}`,
  'document markers and a directive': `%YAML 1.2\n---\n${pod(plain)}...\n---\n# nothing\n---\n${pod(plain)}`,
  'comments everywhere': pod(plain.replaceAll('\n', ' # c\n'), '  # the end\n\n# really\n'),
  'comments before the first item': pod(`  # main\n${plain}`),
  'a comment behind the last key, less indented': pod(plain, '# less\n  restartPolicy: Always\n# end\n'),
  'blank lines': pod(plain.replaceAll('\n', '\n\n')),
  'blanks at the ends of lines': pod(plain.replaceAll('\n', '   \n')),
  'quoted keys': pod(plain).replaceAll(/^( *(?:- )?)(\w+):/gm, '$1"$2":'),
  'a list in brackets': pod('').replace('containers:\n', 'containers: [{name: web, image: web}]\n'),
  'a container in brackets': pod('  - {name: web, image: web, readinessProbe: {tcpSocket: {port: 1}}}\n'),
  'brackets over lines': pod('').replace(
    'containers:\n',
    'containers: [\n    {name: web, # c\n      image: web}\n    ]\n',
  ),
  'the whole spec in brackets': pod('').replace(
    'spec:\n  containers:\n',
    'spec: {containers: [{name: web}]}\n',
  ),
  'metadata in brackets': pod(plain).replace(
    /metadata:\n.*\n.*\n/,
    'metadata: {name: web, labels: {app.kubernetes.io/name: Web}}\n',
  ),
  'empty values': pod(plain, '  volumes:\n  initContainers: # none\n').replace(
    '  name: web\n',
    '  name: web\n  annotations:\n',
  ),
  'empty brackets': pod(`${plain}    env: []\n`, '  volumes: []\n').replace(
    '  name: web\n',
    '  name: web\n  annotations: {}\n',
  ),
  'a text that goes on': pod(
    `${plain}    command:\n    - sh\n    - -c\n    - |+\n      echo a\n\n      # no comment\n\n\n`,
  ),
  'a text that goes on, at the end': pod(plain, '  x: |\n    a\n    b\n'),
  'a text without a line feed, as it is meant': pod(plain, '  x: |-\n    a'),
  'a folded text at the end': pod(plain, '  x: >-\n    a\n\n    b\n'),
  'a plain text over lines': pod(`${plain}    args:\n    - one\n      two\n      three\n`),
  'the probe first': pod('  - readinessProbe:\n      httpGet: {path: /, port: 80}\n    name: web\n'),
  'the probe last': pod(`${plain}    readinessProbe:\n      grpc:\n        port: 9000\n`).trimEnd(),
  'a probe with comments': pod(
    `${plain}    readinessProbe: # asks\n      # that\n      httpGet: {port: 80} # there\n      # end\n    tty: true\n`,
  ),
  'an empty hook': pod(`${plain}    lifecycle:\n`),
  'explicit keys': pod(plain).replace('  containers:\n', '  ? containers\n  :\n'),
  'an anchor and its alias beside': pod(
    `${plain}    env: &e\n    - name: A\n      value: &v x\n    - name: B\n      value: *v\n`,
    '  x: *e\n',
  ),
  'texts that YAML 1.1 reads as others': pod(
    `  - {name: web, env: [{name: A, value: 'yes'}, {name: B, value: "0x1f"}, {name: C, value: '1_000'}]}\n`,
  ),
  tags: pod(`${plain}    env:\n    - name: A\n      value: !!str 1\n`),
  'a list of objects': `apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: a}\n  spec:\n    template:\n      metadata:\n        labels: {app.kubernetes.io/name: A}\n      spec:\n        containers:\n        - name: a\n- kind: ConfigMap\n`,
  'a template without metadata': `apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        metadata:\n          annotations: {onbehalf.dev/service: A}\n        spec:\n          containers:\n          - name: a\n`,
}

for (const [name, text] of Object.entries(styles))
  test(`taken back byte for byte, and injected once: ${name}`, () => {
    const result = injected(text)
    assert.notEqual(result, text)
    assert.equal(uninjectManifest(result).text, text)
    assert.equal(injected(result), result)
  })

const unreachable: Readonly<Record<string, readonly [string, RegExp]>> = {
  JSON: [
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { labels: { 'app.kubernetes.io/name': 'A' } },
      spec: { containers: [{ name: 'a' }] },
    }),
    /JSON.*write it line by line/,
  ],
  'an alias': [
    `x: &c\n- name: web\n${pod('').replace('containers:\n', 'containers: *c\n')}`,
    /alias \(\*c\): write it out/,
  ],
  'a merge key': [
    `x: &s\n  containers:\n  - name: web\n${pod('').replace('  containers:\n', '  <<: *s\n')}`,
    /merge key/,
  ],
  'an anchor in what is rewritten': [
    pod(`  - {name: web, image: &i web, readinessProbe: {tcpSocket: {port: 1}}}\n`, '  x: *i\n'),
    /anchor &i/,
  ],
}
for (const [name, [text, why]] of Object.entries(unreachable))
  test(`refused with what to do: ${name}`, () => {
    const { outcomes, text: result } = injectManifest(text, settings)
    assert.equal(result, text)
    const [outcome] = outcomes
    assert.ok(outcome?.injection.kind === 'refused', JSON.stringify(outcomes))
    assert.match(outcome.injection.reasons.join('\n'), why)
  })

const problems: Readonly<Record<string, readonly [string, RegExp]>> = {
  'a key twice': [pod(`${plain}    image: b\n`), /unique/],
  'what is no YAML': ['a: [b\n', /./],
  'a value that looks like a marker': [
    pod(`${plain}    args:\n    - |\n      # >>> onbehalf.dev (x)\n`),
    /marker/,
  ],
  'an alias of nothing': [pod(plain, '  x: *a\n'), /cannot be read: Unresolved alias/],
  'an alias of what holds it': [pod(plain, '  x: &x [*x]\n'), /cannot be read/],
  'aliases of aliases': [
    ['a', 'b', 'c', 'd']
      .map((name, i, all) => `${name}: &${name} [${`${i === 0 ? 'x' : `*${all[i - 1]}`}, `.repeat(9)}]\n`)
      .join(''),
    /cannot be read: Excessive alias/,
  ],
  'a block without an end': [`# >>> onbehalf.dev (x)\n${pod(plain)}`, /^1: .*no end/],
  'a block that begins in another': [`# >>> onbehalf.dev (x)\n${injected(pod(plain))}`, /^1: .*no end/],
  'a text without a line feed, at the end': [
    pod(plain, '  x: |\n    a'),
    /end its last line with a line feed/,
  ],
}
for (const [name, [text, why]] of Object.entries(problems))
  test(`a manifest that is wrong stays as it is: ${name}`, () => {
    const result = injectManifest(text, settings)
    assert.equal(result.text, text)
    assert.match(result.problems.map(({ place, what }) => `${place}: ${what}`).join('\n'), why)
  })

test('what was changed in a block since is told, and what it replaced is given back', () => {
  const text = pod(`${plain}    readinessProbe:\n      httpGet: {port: 80}\n`)
  const changed = injected(text).replace('port: 15021', 'port: 15022')
  const { text: plainAgain, changed: lines } = uninjectManifest(changed)
  assert.equal(plainAgain, text)
  assert.equal(lines.length, 1)
})

test('numbers and flags are those that kubectl reads', () => {
  const flow = pod(
    '  - {name: web, tty: yes, args: [22:22, 2001-12-14, on], readinessProbe: {tcpSocket: {port: 1_000}}}\n',
    '  volumes: [{name: s, secret: {secretName: s, defaultMode: 0400, items: [{key: a, path: a, mode: 0o440}]}}]\n',
  )
  const [document] = parseAllDocuments(injected(flow), { version: '1.1' })
  const { spec: read } = (document as Document).toJS() as { spec: PodSpec }
  assert.deepEqual(read.volumes?.[0]?.['secret'], {
    secretName: 's',
    defaultMode: 0o400,
    items: [{ key: 'a', path: 'a', mode: 0o440 }],
  })
  assert.deepEqual(read.containers[0]?.args, ['22:22', '2001-12-14', true])
  assert.match(injected(flow), /tty: true\n/)
  assert.match(injected(flow), /"port\\?":1000/)
  for (const spec of ['hostNetwork: yes', 'securityContext: {runAsUser: 035230}'])
    assert.equal(injectManifest(pod(plain, `  ${spec}\n`), settings).outcomes[0]?.injection.kind, 'refused')
})

test('a block whose end is gone takes nothing else with it', () => {
  const text = injected(pod(`${plain}    readinessProbe:\n      httpGet: {port: 80}\n`))
  assert.throws(() => uninjectManifest(text.replace(/ *# <<<.*\n/, '')), /has no end/)
})

test('what is in kube-system is left alone', () => {
  const text = pod(plain).replace('name: web', 'namespace: kube-system')
  assert.equal(injected(text), text)
})

test('kinds of others, and those without containers, are left alone', () => {
  const text = `apiVersion: example.com/v1\nkind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n---\nkind: Service\n`
  assert.equal(injected(text), text)
  const [outcome, ...others] = injectManifest(text, settings).outcomes
  assert.deepEqual(outcome, { title: 'Job/without a name', line: 1, injection: { kind: 'unknown' } })
  assert.deepEqual(others, [])
})

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/)
const comment = fc.constantFrom('', ' # c', ' # >> x: y', '   ', ' #')
const port = fc.integer({ min: 1, max: 14_999 })
const handler = fc.oneof(
  fc.record({ httpGet: fc.record({ port, path: fc.constantFrom('/', '/a?b=$(C)', '/yes') }) }),
  fc.record({ tcpSocket: fc.record({ port }) }),
  fc.record({ grpc: fc.record({ port }) }),
  fc.record({ exec: fc.record({ command: fc.array(word, { minLength: 1, maxLength: 2 }) }) }),
)
const variable = fc.record({
  name: fc.constantFrom('A', 'NODE_OPTIONS', 'HTTP_PROXY'),
  value: fc.constantFrom('', 'on', '012', 'a: b', '# no', ' x ', 'x\ny\n'),
})
const container = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      env: fc.uniqueArray(variable, { selector: ({ name: each }) => each, maxLength: 3 }),
      ports: fc.constant([]),
      readinessProbe: handler,
      livenessProbe: handler,
      lifecycle: fc.record({ postStart: handler, preStop: handler }, { requiredKeys: [] }),
      volumeMounts: fc.constant([{ name: 'v', mountPath: '/v' }]),
      tty: fc.boolean(),
    },
    { requiredKeys: ['name'] },
  )
const template = fc.record({
  metadata: fc.record({
    labels: fc.constant({ 'app.kubernetes.io/name': 'Web' }),
    annotations: fc.constantFrom(
      {},
      { 'onbehalf.dev/preload': 'true' },
      { 'onbehalf.dev/intercept': 'none', 'onbehalf.dev/preload': 'true', other: 'yes' },
      { 'onbehalf.dev/sidecar': 'classic', 'onbehalf.dev/certificate': 'spiffe' },
    ),
  }),
  spec: fc.record(
    {
      initContainers: fc.array(container('init'), { maxLength: 1 }),
      containers: fc.tuple(container('web'), container('other')),
      volumes: fc.array(fc.constant({ name: 'v', emptyDir: {} }), { maxLength: 1 }),
      nodeSelector: fc.constant({ a: 'b' }),
    },
    { requiredKeys: ['containers'] },
  ),
})

interface Style {
  readonly step: number
  readonly isIndented: boolean
  readonly comments: readonly string[]
  readonly flowAt: number
  readonly feed: string
  readonly isOpenEnd: boolean
}

const anyStyle: fc.Arbitrary<Style> = fc.record({
  step: fc.constantFrom(1, 2, 4),
  isIndented: fc.boolean(),
  comments: fc.array(comment, { minLength: 1, maxLength: 5 }),
  flowAt: fc.integer({ min: 2, max: 9 }),
  feed: fc.constantFrom('\n', '\r\n'),
  isOpenEnd: fc.boolean(),
})

/** A writer of YAML with manners of its own; strings in double quotes, as JSON has them. */
function write(value: unknown, style: Style, depth = 0, counter = { lines: 0 }): string[] {
  const indent = ' '.repeat(style.step)
  const ending = () => style.comments[counter.lines++ % style.comments.length] as string
  const isFlow = (each: unknown) =>
    typeof each !== 'object' || each === null || Object.keys(each).length === 0 || depth >= style.flowAt
  if (Array.isArray(value))
    return value.flatMap((item) => {
      if (isFlow(item)) return [`- ${JSON.stringify(item)}${ending()}`]
      const [first = '', ...rest] = write(item, style, depth + 1, counter)
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)]
    })
  return Object.entries(value as object).flatMap(([key, item]: [string, unknown]) => {
    if (isFlow(item)) return [`${key}: ${JSON.stringify(item)}${ending()}`]
    const inner = write(item, style, depth + 1, counter)
    const prefix = Array.isArray(item) && !style.isIndented ? '' : indent
    return [`${key}:${ending()}`, ...inner.map((line) => prefix + line)]
  })
}

test('whatever the manifest and its style: what is meant, once, and taken back', () => {
  fc.assert(
    fc.property(template, anyStyle, (pods, manner) => {
      const object = { apiVersion: 'apps/v1', kind: 'Deployment', spec: { template: pods } }
      const text = write(object, manner).join(manner.feed) + (manner.isOpenEnd ? '' : manner.feed)
      const expected = injectPod(pods, settings, true)
      const result = injectManifest(text, settings)
      if (expected.kind !== 'injected') return assert.equal(result.text, text)
      assert.deepEqual(result.problems, [])
      const [document] = parseAllDocuments(result.text)
      assert.deepEqual(document?.toJS(), {
        ...object,
        spec: { template: applyPatch(pods, expected.operations) },
      })
      assert.equal(uninjectManifest(result.text).text, text)
      assert.equal(injectManifest(result.text, settings).text, result.text)
    }),
    { numRuns: 100 },
  )
})
