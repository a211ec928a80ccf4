// Pods that are refused, each with its reason; and settings of annotations that are wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAnnotations, type AnnotationName } from '../../deploy/kubernetes/injection/annotations.ts'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { drainSeconds } from '../../deploy/kubernetes/injection/sidecar-container.ts'

const settings = defaultSettings('1.2.3')
const app = { name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }
const spec = { containers: [app] }
const named = { 'onbehalf.dev/service': 'App' }

const pod = (more: object, given: Record<string, string> = named): PodTemplate => ({
  metadata: { annotations: given },
  spec: { ...spec, ...more },
})

function reasonsFor(template: PodTemplate): readonly string[] {
  const injection = injectPod(template, settings, true)
  return injection.kind === 'refused' ? injection.reasons : [injection.kind]
}

const refused: readonly (readonly [string, PodTemplate, RegExp])[] = [
  [
    'the node’s network',
    pod({ hostNetwork: true }),
    /^hostNetwork: .*leave the pod out by onbehalf\.dev\/inject: "false"$/,
  ],
  ['Windows', pod({ os: { name: 'windows' } }), /^os: .*leave the pod out/],
  [
    'Windows, by the nodes that are selected',
    pod({ nodeSelector: { 'kubernetes.io/os': 'windows' } }),
    /^os: .*leave the pod out/,
  ],
  [
    'the name of a port of the sidecar',
    pod({ containers: [{ name: 'app', ports: [{ name: 'onbehalf-in', containerPort: 8080 }] }] }),
    /port onbehalf-in is one of the sidecar's own/,
  ],
  ['a container of our name', pod({ containers: [app, { name: 'onbehalf' }] }), /called onbehalf already/],
  [
    'an init container of our name',
    pod({ initContainers: [{ name: 'onbehalf-redirect' }] }),
    /called onbehalf-redirect already/,
  ],
  ['a volume of our name', pod({ volumes: [{ name: 'onbehalf-mesh' }] }), /volume is called onbehalf-mesh/],
  [
    'a port of the sidecar',
    pod({ containers: [{ name: 'app', ports: [{ containerPort: 15_006 }] }] }),
    /port 15006 is one of the sidecar's own: let the app listen elsewhere/,
  ],
  [
    'the sidecar’s user, for a container',
    pod({ containers: [{ ...app, securityContext: { runAsUser: 15_000 } }] }),
    /container app: runAsUser 15000/,
  ],
  [
    'the sidecar’s user, for the pod',
    pod({ securityContext: { runAsUser: 15_000 } }),
    /securityContext: runAsUser 15000/,
  ],
  [
    'another mesh that redirects',
    pod({ containers: [app, { name: 'linkerd-proxy' }] }),
    /linkerd-proxy redirects .*intercept: none/,
  ],
  [
    'another mesh that has our ports, also without redirection',
    pod({ containers: [app, { name: 'istio-proxy' }] }, { ...named, 'onbehalf.dev/intercept': 'none' }),
    /^istio-proxy listens at ports of the sidecar/,
  ],
  [
    'another mesh that has our ports, as a native sidecar of its own',
    pod({ initContainers: [{ name: 'kuma-sidecar', restartPolicy: 'Always' }] }),
    /^kuma-sidecar listens at ports of the sidecar/,
  ],
  [
    'an unknown annotation whose words stand in several',
    pod({}, { ...named, 'onbehalf.dev/exclude-ports': '80' }),
    /is not known; there is: exclude-inbound-ports, exclude-outbound-ports$/,
  ],
  [
    'a wrong item of a list, by itself',
    pod({}, { ...named, 'onbehalf.dev/exclude-inbound-ports': '80, x' }),
    /"80, x" holds "x", which is no port/,
  ],
  [
    'no service, and how to leave the pod out',
    pod({}, {}),
    /onbehalf\.dev\/service: is missing.*leave the pod out by onbehalf\.dev\/inject: "false"/,
  ],
  [
    'a classic sidecar in a pod that ends',
    pod({ restartPolicy: 'Never' }, { ...named, 'onbehalf.dev/sidecar': 'classic' }),
    /restartPolicy Never/,
  ],
  [
    'a native sidecar before a classic one',
    pod(
      { initContainers: [{ name: 'logs', restartPolicy: 'Always' }] },
      { ...named, 'onbehalf.dev/sidecar': 'classic' },
    ),
    /init container logs: is a native sidecar/,
  ],
  [
    'a mount where the preload goes',
    pod(
      { containers: [{ ...app, volumeMounts: [{ name: 'v', mountPath: '/opt/onbehalf' }] }] },
      { ...named, 'onbehalf.dev/preload': 'true' },
    ),
    /mounts something at \/opt\/onbehalf/,
  ],
  [
    'a mount beneath the preload',
    pod(
      { containers: [{ ...app, volumeMounts: [{ name: 'v', mountPath: '/opt//onbehalf/./x/' }] }] },
      { ...named, 'onbehalf.dev/preload': 'true' },
    ),
    /mounts something at \/opt\/onbehalf/,
  ],
  ['no service', pod({}, {}), /onbehalf\.dev\/service: is missing/],
  [
    'a misspelt annotation',
    pod({}, { ...named, 'onbehalf.dev/app-prot': '80' }),
    /app-prot: is not known; did you mean "app-port"/,
  ],
  [
    'an app port that no container declares',
    pod({}, { ...named, 'onbehalf.dev/app-port': 'grpc' }),
    /no container declares a port "grpc"/,
  ],
  [
    'a preload for no container',
    pod({}, { ...named, 'onbehalf.dev/preload': 'web' }),
    /there is no container "web"/,
  ],
  [
    'NODE_OPTIONS from elsewhere',
    pod(
      { containers: [{ ...app, env: [{ name: 'NODE_OPTIONS', valueFrom: {} }] }] },
      { ...named, 'onbehalf.dev/preload': 'true' },
    ),
    /NODE_OPTIONS comes from elsewhere/,
  ],
  [
    'a probe of an undeclared port',
    pod({ containers: [{ ...app, livenessProbe: { httpGet: { port: 'web' } } }] }),
    /container app: livenessProbe names the port "web"/,
  ],
  [
    'more asked for than allowed',
    pod({}, { ...named, 'onbehalf.dev/memory-request': '2Gi', 'onbehalf.dev/memory-limit': '1Gi' }),
    /2Gi is more than/,
  ],
]
for (const [name, template, why] of refused)
  test(`refused: ${name}`, () => assert.match(reasonsFor(template).join('\n'), why))

test('every reason is said at once', () => {
  const reasons = reasonsFor(
    pod({ hostNetwork: true, containers: [{ name: 'onbehalf' }] }, { 'onbehalf.dev/x': '' }),
  )
  assert.equal(reasons.length, 4)
})

test('without redirection the sidecar’s user and another mesh are no reasons', () => {
  const given = { ...named, 'onbehalf.dev/intercept': 'none' }
  const beside = pod(
    { containers: [app, { name: 'linkerd-proxy' }], securityContext: { runAsUser: 15_000 } },
    given,
  )
  assert.deepEqual(reasonsFor(beside), ['injected'])
})

test('what mirrors a static pod is left alone', () => {
  const annotations = { ...named, 'kubernetes.io/config.mirror': 'a1' }
  assert.deepEqual(reasonsFor(pod({ hostNetwork: true }, annotations)), ['unchanged'])
})

test('what comes by envFrom and is replaced is warned about', () => {
  const given = { ...named, 'onbehalf.dev/proxy': 'true', 'onbehalf.dev/preload': 'true' }
  const warningsFor = (envFrom: readonly object[]) => {
    const injection = injectPod(pod({ containers: [{ ...app, envFrom }] }, given), settings, true)
    return injection.kind === 'injected' ? injection.warnings : [injection.kind]
  }
  assert.deepEqual(warningsFor([]), [])
  assert.match(warningsFor([{ configMapRef: { name: 'a' } }]).join('\n'), /NODE_OPTIONS.*\n.*an HTTP_PROXY/)
})

const malformed: readonly (readonly [object, string])[] = [
  [{ containers: [app, null] }, 'spec.containers[1]: is no object'],
  [{ hostNetwork: 'true' }, 'spec.hostNetwork: is no flag'],
  [
    { containers: [{ ...app, volumeMounts: [{ name: 'a' }] }] },
    'spec.containers[0].volumeMounts[0].mountPath: is no name',
  ],
  [
    { containers: [{ ...app, env: [{ name: 'OTEL_BSP_SCHEDULE_DELAY', value: 5000 }] }] },
    'spec.containers[0].env[0].value: is no text',
  ],
  [{ containers: [{ ...app, ports: 80 }] }, 'spec.containers[0].ports: is no list'],
  [{ securityContext: { runAsUser: '15000' } }, 'spec.securityContext.runAsUser: is no number'],
  [
    { initContainers: [{ name: 'a', livenessProbe: { httpGet: { port: true } } }] },
    'spec.initContainers[0].livenessProbe.httpGet.port: is no port',
  ],
]
test('what is no pod to an API server is refused by its place', () => {
  for (const [more, reason] of malformed) assert.deepEqual(reasonsFor(pod(more)), [reason])
})

test('what is null is not there', () => {
  const probe = { httpGet: null, tcpSocket: { port: 8080 }, grpc: null }
  const container = { ...app, env: null, ports: null, livenessProbe: probe, lifecycle: { postStart: null } }
  const given = pod({ containers: [container], initContainers: null, volumes: null, securityContext: null })
  assert.deepEqual(reasonsFor(given), ['injected'])
})

test('a pod that says no is left alone, unless it says something wrong, too', () => {
  assert.deepEqual(reasonsFor(pod({ hostNetwork: true }, { 'onbehalf.dev/inject': 'false' })), ['unchanged'])
  assert.match(reasonsFor(pod({}, { 'onbehalf.dev/inject': 'no' })).join(), /"no" is neither true nor false/)
})

test('who can change the redirection, or read the key, is warned about', () => {
  const injection = injectPod(
    pod({ shareProcessNamespace: true, containers: [{ ...app, securityContext: { privileged: true } }] }),
    settings,
    true,
  )
  assert.ok(injection.kind === 'injected')
  assert.match(injection.warnings.join('\n'), /app: may change the redirection/)
  assert.match(injection.warnings.join('\n'), /shareProcessNamespace/)
  const beside = injectPod(pod({ hostPID: true }), settings, true)
  assert.ok(beside.kind === 'injected' && beside.warnings.some((warning) => warning.startsWith('hostPID: ')))
})

function warningsAt(limit: string): readonly string[] {
  const injection = injectPod(pod({}, { ...named, 'onbehalf.dev/memory-limit': limit }), settings, true)
  return injection.kind === 'injected' ? injection.warnings : [injection.kind]
}

test('a limit with which the sidecar would be killed is warned about', () => {
  assert.match(warningsAt('95Mi').join('\n'), /memory-limit: with less than 96Mi/)
  assert.deepEqual(warningsAt('96Mi'), [])
})

const values: Readonly<Record<AnnotationName, readonly [good: readonly string[], bad: readonly string[]]>> = {
  inject: [
    ['true', 'false'],
    ['yes', ''],
  ],
  service: [
    ['App', 'my service'],
    ['', 'a\nb'],
  ],
  'app-port': [
    ['8080', 'http', 'my-port'],
    ['', '0', 'Http', 'a--b', 'a_b'],
  ],
  intercept: [['redirect', 'none'], ['off']],
  sidecar: [['native', 'classic'], ['Native']],
  mesh: [
    ['onbehalf-mesh', 'a.b'],
    ['A', '-a', 'a..b', ''],
  ],
  certificate: [
    ['none', 'spiffe', 'secret/a'],
    ['secret', 'secret/', 'secret/A', 'csi'],
  ],
  secrets: [
    ['a', 'a, b'],
    ['a,', 'a,a', ''],
  ],
  'token-audience': [['https://pomerium'], ['', 'a b']],
  preload: [
    ['true', 'false', 'app, worker'],
    ['', 'App'],
  ],
  proxy: [['true'], ['1']],
  'rewrite-probes': [['false'], ['0']],
  'hold-app': [['false'], ['never']],
  'drain-delay': [
    ['0s', '15s'],
    ['5', '5m', '-1s', '05s'],
  ],
  'exclude-inbound-ports': [
    ['9100', '1,65535'],
    ['0', '65536', '1,,2', '080'],
  ],
  'exclude-outbound-ports': [['5432'], ['http']],
  'exclude-outbound-ranges': [
    ['10.0.0.0/8', 'fd00::/8, 1.2.3.4'],
    ['10.0.0/8', '10.0.0.0/33', 'fe80::1%eth0', 'a.b'],
  ],
  'ipv4-only': [['true'], ['']],
  'log-level': [['debug', 'error'], ['trace']],
  'cpu-request': [
    ['50m', '0.5', '2'],
    ['0', '-1', '1x'],
  ],
  'cpu-limit': [['1'], ['0m']],
  'memory-request': [
    ['64Mi', '1.5Gi'],
    ['64', '0Mi', '64mi'],
  ],
  'memory-limit': [['256Mi'], ['256MB']],
}
const problemsOf = (name: string, text: string) =>
  readAnnotations({ [`onbehalf.dev/${name}`]: text }).problems

for (const [name, [good, bad]] of Object.entries(values))
  test(`annotation ${name}: what it takes, and what it does not`, () => {
    for (const text of good) assert.deepEqual(problemsOf(name, text), [], text)
    for (const text of bad)
      assert.match(problemsOf(name, text).join(), new RegExp(`annotation onbehalf.dev/${name}: `), text)
  })

test('an annotation that is no text is said to need quotes', () => {
  assert.match(readAnnotations({ 'onbehalf.dev/inject': true }).problems.join(), /put it in quotes/)
})

test('lists and annotations without end are read in no time, and said to be too long', () => {
  const count = 100_000
  const hosts = Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`).join()
  const unknown = Array.from({ length: count }, (_, i) => [`onbehalf.dev/exclude-outbound-rang${i}`, ''])
  const containers = Array.from({ length: 10_000 }, (_, i) => ({ name: `a${i}` }))
  const preload = containers.map(({ name }) => name).join()
  const startedMs = performance.now()
  assert.match(problemsOf('exclude-outbound-ranges', hosts).join(), /has more than 1000 parts$/)
  const { problems } = readAnnotations(Object.fromEntries(unknown) as Record<string, string>)
  assert.deepEqual(
    [problems.length, problems.filter((problem) => problem.includes('did you mean')).length],
    [count, 20],
  )
  const many = pod({ containers }, { ...named, 'onbehalf.dev/preload': preload })
  assert.deepEqual(reasonsFor(many), ['containers: more than 1000'])
  assert.deepEqual(
    reasonsFor(pod({ containers: containers.slice(0, 900), initContainers: containers.slice(900, 1_001) })),
    ['containers: more than 1000'],
  )
  assert.ok(performance.now() - startedMs < 1_500, `${performance.now() - startedMs} ms`)
})

test('where the sidecar is guaranteed all that it may use, what redirects is, too', () => {
  const limited = { ...named, 'onbehalf.dev/cpu-limit': '1', 'onbehalf.dev/memory-limit': '256Mi' }
  const guaranteed = {
    ...limited,
    'onbehalf.dev/cpu-request': '1000m',
    'onbehalf.dev/memory-request': '256Mi',
  }
  const redirection = /"requests":\{"cpu":"1","memory":"64Mi"\},"limits":\{"cpu":"1","memory":"64Mi"\}/
  assert.match(JSON.stringify(injectPod(pod({}, guaranteed), settings, true)), redirection)
  assert.doesNotMatch(JSON.stringify(injectPod(pod({}, limited), settings, true)), redirection)
})

test('what the grace period leaves is for the drain, and a second at least', () => {
  assert.equal(drainSeconds({ containers: [] }, 5), 20)
  assert.equal(drainSeconds({ containers: [], terminationGracePeriodSeconds: 60 }, 15), 40)
  assert.equal(drainSeconds({ containers: [], terminationGracePeriodSeconds: 1 }, 5), 1)
})

test('what the kubelet would read as another variable reaches the sidecar as it was', () => {
  const injection = injectPod(pod({}, { 'onbehalf.dev/service': '$(A) $$' }), settings, true)
  assert.match(JSON.stringify(injection), /"name":"ONBEHALF_SERVICE","value":"\$\$\(A\) \$\$\$\$"/)
})
