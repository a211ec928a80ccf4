// What an injection may do, and each thing that it may not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ports } from '../../deploy/kubernetes/injection/names.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { changed, good } from './good-objects.ts'
import { touched } from './invariants.ts'

const before = template()

function template(): PodTemplate {
  const deployment = good('Deployment') as unknown as { readonly spec: { readonly template: PodTemplate } }
  const node = { name: 'NODE_OPTIONS', value: '--max-old-space-size=64' }
  return changed(deployment.spec.template, 'spec/containers/0/env/7', node)
}

const app = 'spec/containers/0'
const asked = { path: '/app-probes/app/readiness', port: ports.probes }

test('a pod that is as it was is not touched', () => {
  assert.deepEqual(touched(before, template()), [])
})

test('an injection that does all that it may touches nothing', () => {
  const steps: readonly (readonly [path: string, value: unknown])[] = [
    ['metadata/labels/onbehalf.dev~injected', 'true'],
    ['metadata/annotations/onbehalf.dev~injected', '1'],
    [`${app}/startupProbe`, { httpGet: asked }],
    [`${app}/readinessProbe`, { httpGet: asked, successThreshold: 2 }],
    [`${app}/livenessProbe`, { httpGet: asked, terminationGracePeriodSeconds: 5 }],
    [`${app}/lifecycle/preStop`, { httpGet: { path: '/drained', port: ports.probes } }],
    [`${app}/env/7/value`, '--max-old-space-size=64 --require=a'],
    [`${app}/env/8`, { name: 'HTTP_PROXY', value: 'http://127.0.0.1' }],
    [`${app}/volumeMounts/4`, { name: 'onbehalf-preload', mountPath: '/opt/onbehalf' }],
    ['spec/volumes/6', { name: 'onbehalf-preload', emptyDir: {} }],
    ['spec/containers/1', { name: 'onbehalf', image: 'onbehalf' }],
    ['spec/initContainers', [{ name: 'onbehalf-redirect' }, ...(before.spec.initContainers ?? [])]],
  ]
  const after = steps.reduce((pod, [path, value]) => changed(pod, path, value), before)
  assert.deepEqual(touched(before, after), [])
})

test('an injection into a pod that has next to nothing touches nothing', () => {
  const bare: PodTemplate = {
    spec: { containers: [{ name: 'app', lifecycle: null, env: null }], volumes: null },
  }
  const after: PodTemplate = {
    metadata: { labels: { a: 'b' } },
    spec: {
      containers: [
        {
          name: 'app',
          env: [{ name: 'NODE_OPTIONS', value: '--require=a' }],
          volumeMounts: [{ name: 'v', mountPath: '/opt' }],
          lifecycle: { preStop: { httpGet: { path: '/drained', port: ports.probes } } },
        },
      ],
      initContainers: [{ name: 'onbehalf' }],
      volumes: [{ name: 'v' }],
    },
  }
  assert.deepEqual(touched(bare, after), [])
})

const list = (key: 'containers' | 'initContainers' | 'volumes') => before.spec[key] ?? []
const env = before.spec.containers[0]?.env ?? []
const mounts = before.spec.containers[0]?.volumeMounts ?? []

/** What is changed of the pod, and what of that is said. */
const changes: readonly (readonly [path: string, value: unknown, ...said: readonly string[]])[] = [
  ['metadata/labels/tier', 'front', 'metadata.labels[tier]: was changed'],
  [
    'metadata/annotations',
    { 'Example.com/Note': 'x' },
    'metadata.annotations[Example.com/Note]: was changed',
    'metadata.annotations[prometheus.io/scrape]: was removed',
  ],
  ['metadata/labels/tier', undefined, 'metadata.labels[tier]: was removed'],
  ['metadata/name', 'x', 'metadata.name: was added'],
  ['kind', 'Pod', 'kind: was added'],
  ['spec/hostNetwork', true, 'spec.hostNetwork: was added'],
  ['spec/serviceAccountName', 'x', 'spec.serviceAccountName: was changed'],
  ['spec/serviceAccountName', undefined, 'spec.serviceAccountName: was changed'],
  ['spec/terminationGracePeriodSeconds', 60, 'spec.terminationGracePeriodSeconds: was changed'],
  // Containers and volumes.
  ['spec/containers', [], 'spec.containers: app became '],
  [
    'spec/initContainers',
    list('initContainers').toReversed(),
    'spec.initContainers: migrate, proxy became proxy, migrate',
  ],
  ['spec/containers/1', { name: 'istio-proxy' }, 'spec.containers[istio-proxy]: was added'],
  ['spec/initContainers/0/image', 'x', 'spec.initContainers[migrate].image: was changed'],
  [`${app}/image`, 'x', 'spec.containers[app].image: was changed'],
  [`${app}/command`, ['x'], 'spec.containers[app].command: was added'],
  [`${app}/ports/0/containerPort`, 1, 'spec.containers[app].ports: was changed'],
  [`${app}/securityContext/runAsUser`, 0, 'spec.containers[app].securityContext: was changed'],
  [`${app}/resources/limits/cpu`, '2', 'spec.containers[app].resources: was changed'],
  ['spec/volumes/0/emptyDir/sizeLimit', '2Mi', 'spec.volumes[scratch]: was changed'],
  [
    'spec/volumes',
    [list('volumes')[1], list('volumes')[0], ...list('volumes').slice(2)],
    'spec.volumes: scratch, plain, config, keys, spiffe, token became plain, scratch, config, keys, spiffe, token',
  ],
  // Probes and hooks.
  [`${app}/readinessProbe`, undefined, 'spec.containers[app].readinessProbe: was removed'],
  [
    'spec/initContainers/0/readinessProbe',
    { httpGet: asked },
    'spec.initContainers[migrate].readinessProbe: was added',
  ],
  [
    `${app}/readinessProbe/httpGet/port`,
    9090,
    'spec.containers[app].readinessProbe: asks neither as before nor the sidecar',
  ],
  [
    `${app}/readinessProbe/httpGet`,
    { ...asked, host: 'example.com' },
    'spec.containers[app].readinessProbe: asks neither as before nor the sidecar',
  ],
  [
    `${app}/readinessProbe/httpGet`,
    { path: '/livez', port: ports.probes },
    'spec.containers[app].readinessProbe: asks neither as before nor the sidecar',
  ],
  [
    `${app}/lifecycle/preStop`,
    { exec: { command: ['sleep', '5'] } },
    'spec.containers[app].lifecycle.preStop: was added',
  ],
  [
    `${app}/readinessProbe`,
    { httpGet: asked, successThreshold: 1 },
    'spec.containers[app].readinessProbe: has other times or handlers',
  ],
  [`${app}/startupProbe/httpGet`, asked, 'spec.containers[app].startupProbe: has other times or handlers'],
  [
    `${app}/lifecycle/postStart`,
    { httpGet: asked },
    'spec.containers[app].lifecycle.postStart: was changed, though nothing is asked by network',
  ],
  [
    'spec/initContainers/1/lifecycle/preStop',
    { httpGet: asked },
    'spec.initContainers[proxy].lifecycle.preStop: was changed, though nothing is asked by network',
  ],
  [
    'spec/initContainers/1/lifecycle/preStop',
    { httpGet: { path: '/drained', port: ports.probes } },
    'spec.initContainers[proxy].lifecycle.preStop: was changed, though nothing is asked by network',
  ],
  [
    'spec/initContainers/1/lifecycle/postStart',
    { httpGet: asked },
    'spec.initContainers[proxy].lifecycle.postStart: was added',
  ],
  [`${app}/lifecycle/stopSignal`, 'SIGINT', 'spec.containers[app].lifecycle.stopSignal: was added'],
  // Variables and mounts.
  [`${app}/env/0/value`, 'y', 'spec.containers[app].env[PLAIN]: was changed, moved or removed'],
  [`${app}/env/0/value`, 'x y', 'spec.containers[app].env[PLAIN]: was changed, moved or removed'],
  [
    `${app}/env/7/value`,
    '--max-old-space-size=640',
    'spec.containers[app].env[NODE_OPTIONS]: was changed, moved or removed',
  ],
  [
    `${app}/env/7/value`,
    '--require=a --max-old-space-size=64',
    'spec.containers[app].env[NODE_OPTIONS]: was changed, moved or removed',
  ],
  [`${app}/env/8`, { name: 'PLAIN', value: 'y' }, 'spec.containers[app].env[PLAIN]: was overridden'],
  [`${app}/env`, env.slice(0, -1), 'spec.containers[app].env[NODE_OPTIONS]: was changed, moved or removed'],
  [
    `${app}/env`,
    [env[1], env[0], ...env.slice(2)],
    'spec.containers[app].env[PLAIN]: was changed, moved or removed',
    'spec.containers[app].env[a.dotted-name_1]: was changed, moved or removed',
  ],
  [
    `${app}/volumeMounts/1/readOnly`,
    false,
    'spec.containers[app].volumeMounts[/etc/orders]: was changed, moved or removed',
  ],
  [
    `${app}/volumeMounts`,
    mounts.slice(0, -1),
    'spec.containers[app].volumeMounts[/var/run/token]: was changed, moved or removed',
  ],
  [
    `${app}/volumeMounts/4`,
    { name: 'plain', mountPath: '/var/run' },
    'spec.containers[app].volumeMounts[/var/run/token]: was covered',
  ],
]

for (const [path, value, ...said] of changes) {
  test(`it is ${said.length === 0 ? 'allowed' : 'said'} when ${path} becomes ${JSON.stringify(value ?? null).slice(0, 60)}`, () => {
    assert.deepEqual(touched(before, changed(before, path, value)), said)
  })
}

test('a variable that comes from elsewhere is not given a value', () => {
  const from = changed(before, `${app}/env/7`, { name: 'NODE_OPTIONS', valueFrom: { fieldRef: {} } })
  assert.deepEqual(touched(from, changed(from, `${app}/env/7/value`, '--require=a')), [
    'spec.containers[app].env[NODE_OPTIONS]: was changed, moved or removed',
  ])
})
