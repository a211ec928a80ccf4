// Whatever the pod: its patch fits, a server takes the result, nothing is touched but as it is said, and once is enough.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { touched } from './invariants.ts'
import { applyJsonPatch } from './json-patch.ts'
import { validateObject } from './schemas.ts'

const some = <T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record<T, never>(model, { requiredKeys: [] })
const one = fc.constantFrom
const port = one(8080, 9000)
const httpGet = fc.record(
  {
    port,
    path: one('', '/', 'live', '/a?b=$(C)#d'),
    scheme: one('HTTP', 'HTTPS'),
    host: one('', '10.0.0.1'),
    httpHeaders: one([], [{ name: 'Host', value: 'shop.example.com' }]),
  },
  { requiredKeys: ['port'] },
)
const exec = fc.constant({ command: ['true'] })
const asked = fc.oneof(
  fc.record({ httpGet }),
  fc.record({ tcpSocket: fc.record({ port, host: one('', 'db') }) }),
  fc.record({ exec }),
)
const probe = fc
  .tuple(
    fc.oneof(asked, fc.record({ grpc: fc.record({ port: one(8080, 9000) }) })),
    some({ timeoutSeconds: one(1, 30), periodSeconds: one(5) }),
  )
  .map(([handler, times]) => ({ ...handler, ...times }))
const hook = fc.oneof(asked, fc.record({ sleep: fc.constant({ seconds: 3 }) }))
const variable = fc.oneof(
  fc.record({
    name: one('NODE_OPTIONS', 'HTTP_PROXY', 'no_proxy', 'OTEL_EXPORTER_OTLP_ENDPOINT'),
    value: one('', 'http://127.0.0.1:15001', '--a=$(B)'),
  }),
  one(
    { name: 'A', valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } },
    { name: 'NODE_OPTIONS', valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } },
  ),
)
const common = {
  image: one('shop/web:1'),
  env: fc.array(variable, { maxLength: 3 }),
  envFrom: fc.constant([{ configMapRef: { name: 'a' } }]),
  ports: one(
    [{ name: 'http', containerPort: 8080 }],
    [
      { name: 'http', containerPort: 8080, hostPort: 80 },
      { containerPort: 53, protocol: 'UDP' },
    ],
  ),
  resources: one<object>({}, { requests: { cpu: '10m', memory: '8Mi' }, limits: { memory: '32Mi' } }),
  securityContext: one<object>(
    { runAsUser: 1_000, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    { privileged: true },
  ),
  volumeMounts: fc.constant([{ name: 'data', mountPath: '/data' }]),
}
const probes = {
  startupProbe: probe,
  readinessProbe: probe,
  livenessProbe: probe,
  lifecycle: some({ postStart: hook, preStop: hook }),
}
const named = (name: string, fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record<Record<string, unknown>, string>(
    { name: fc.constant(name), ...fields },
    { requiredKeys: ['name', 'image'] },
  )
const logs = named('logs', { image: common.image, resources: common.resources, ...probes }).map(
  (container) => ({
    ...container,
    restartPolicy: 'Always',
  }),
)
const spec = fc.record(
  {
    containers: fc.oneof(
      fc.tuple(named('web', { ...common, ...probes })),
      fc.tuple(named('web', { ...common, ...probes }), named('other', { image: common.image, ...probes })),
    ),
    initContainers: fc.oneof(
      fc.tuple(named('migrate', common)),
      fc.tuple(logs, named('migrate', { image: common.image })),
    ),
    volumes: fc.constant([{ name: 'data', emptyDir: {} }]),
    restartPolicy: one('Always', 'OnFailure', 'Never'),
    hostNetwork: fc.constant(false),
    shareProcessNamespace: fc.boolean(),
    automountServiceAccountToken: fc.constant(false),
    terminationGracePeriodSeconds: one(6, 30),
    securityContext: one<object>({}, { runAsNonRoot: true, runAsUser: 1_000, fsGroup: 2_000 }),
    resources: one<object>({ limits: { memory: '128Mi' } }, { requests: { cpu: '100m', memory: '64Mi' } }),
  },
  { requiredKeys: ['containers', 'volumes'] },
)
const flag = one('true', 'false')
const annotations = some({
  'onbehalf.dev/inject': one('true'),
  'onbehalf.dev/sidecar': one('native', 'classic'),
  'onbehalf.dev/intercept': one('redirect', 'none'),
  'onbehalf.dev/app-port': one('8080'),
  'onbehalf.dev/certificate': one('spiffe', 'secret/a'),
  'onbehalf.dev/secrets': one('a', 'a,b.c'),
  'onbehalf.dev/token-audience': one('https://pomerium'),
  'onbehalf.dev/preload': one('true', 'web'),
  'onbehalf.dev/proxy': flag,
  'onbehalf.dev/rewrite-probes': flag,
  'onbehalf.dev/hold-app': flag,
  'onbehalf.dev/exclude-inbound-ports': one('9000'),
  'onbehalf.dev/cpu-limit': one('20m'),
})
const metadata = fc.record(
  {
    generateName: fc.constant('web-'),
    labels: fc.constant({ 'app.kubernetes.io/name': 'Web' }),
    annotations,
  },
  { requiredKeys: ['generateName', 'labels'] },
)

test('whatever the pod: the patch fits, a server takes what comes of it, nothing else is touched, and once is enough', () => {
  const kinds = { injected: 0, unchanged: 0, refused: 0, taken: 0 }
  fc.assert(
    fc.property(metadata, spec, (about, what) => {
      const text = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: about, spec: what })
      const pod = JSON.parse(text) as PodTemplate
      const isTaken = validateObject(pod).length === 0
      const injection = injectPod(pod, defaultSettings('1.2.3'), true)
      assert.equal(JSON.stringify(pod), text, 'the pod itself was changed')
      kinds[injection.kind]++
      if (injection.kind !== 'injected') return
      const after = applyJsonPatch(pod, JSON.parse(JSON.stringify(injection.operations))) as PodTemplate
      assert.deepEqual(touched(pod, after), [])
      if (isTaken) assert.deepEqual(validateObject(after), [])
      assert.equal(injectPod(after, defaultSettings('9.9.9'), true).kind, 'unchanged')
      kinds.taken += isTaken ? 1 : 0
    }),
    { numRuns: 200 },
  )
  assert.ok(kinds.taken > 60, JSON.stringify(kinds))
})
