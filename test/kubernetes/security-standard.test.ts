// The Pod Security Standards: each control on a pod that breaks it alone, in every kind of container.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changed, good } from './good-objects.ts'
import { violations } from './security-standard.ts'

type Spec = Readonly<Record<string, unknown>>

function ofDeployment(): Spec {
  const deployment = good('Deployment') as { readonly spec: { readonly template: { readonly spec: Spec } } }
  return deployment.spec.template.spec
}

/** One container of each kind, restricted. */
const strict: Spec = {
  ...ofDeployment(),
  containers: [restrictedContainer('app')],
  initContainers: [restrictedContainer('init')],
  ephemeralContainers: [restrictedContainer('debug')],
}

function restrictedContainer(name: string): object {
  return { name, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }
}

/** A pod of which nothing is said. */
const plain: Spec = { containers: [{ name: 'app', image: 'example.com/app' }] }

test('a good Deployment is restricted', () => {
  assert.deepEqual(violations(ofDeployment(), 'restricted'), [])
  assert.deepEqual(violations(strict, 'restricted'), [])
})

test('a pod of which nothing is said is baseline', () => {
  assert.deepEqual(violations(plain, 'baseline'), [])
})

test('a pod of which nothing is said is not restricted', () => {
  assert.deepEqual(violations(plain, 'restricted'), [
    'spec.containers[0].securityContext.allowPrivilegeEscalation: is not false',
    'spec.containers[0].securityContext.runAsNonRoot: is not true',
    'spec.containers[0].securityContext.seccompProfile.type: is required',
    'spec.containers[0].securityContext.capabilities.drop: lacks ALL',
  ])
})

/** What is changed of the strict pod, and the violation; the path is the one of the change where that says it all. */
type Change = readonly [path: string, value: unknown, violation?: string]

const security = 'securityContext'
const baselineOfContainers: readonly Change[] = [
  [
    `${security}/windowsOptions`,
    { hostProcess: true },
    'securityContext.windowsOptions.hostProcess: is true',
  ],
  [`${security}/privileged`, true, 'securityContext.privileged: is true'],
  [`${security}/capabilities/add`, ['NET_ADMIN'], 'securityContext.capabilities.add: NET_ADMIN'],
  ['ports', [{ containerPort: 80, hostPort: 80 }], 'ports.hostPort: 80'],
  ['livenessProbe', { httpGet: { port: 80, host: '1.1.1.1' } }, 'livenessProbe.httpGet.host: is set'],
  ['readinessProbe', { tcpSocket: { port: 80, host: '1.1.1.1' } }, 'readinessProbe.tcpSocket.host: is set'],
  ['startupProbe', { httpGet: { port: 80, host: '127.0.0.1' } }, 'startupProbe.httpGet.host: is set'],
  ['lifecycle/postStart', { httpGet: { port: 80, host: 'a' } }, 'lifecycle.postStart.httpGet.host: is set'],
  ['lifecycle/preStop', { tcpSocket: { port: 80, host: 'a' } }, 'lifecycle.preStop.tcpSocket.host: is set'],
  [`${security}/appArmorProfile`, { type: 'Unconfined' }, 'securityContext.appArmorProfile.type: Unconfined'],
  [`${security}/seLinuxOptions`, { type: 'spc_t' }, 'securityContext.seLinuxOptions.type: spc_t'],
  [`${security}/seLinuxOptions`, { user: 'a' }, 'securityContext.seLinuxOptions.user: is set'],
  [`${security}/seLinuxOptions`, { role: 'a' }, 'securityContext.seLinuxOptions.role: is set'],
  [`${security}/procMount`, 'Unmasked', 'securityContext.procMount: Unmasked'],
  [`${security}/seccompProfile`, { type: 'Unconfined' }, 'securityContext.seccompProfile.type: Unconfined'],
]
const restrictedOfContainers: readonly Change[] = [
  [
    `${security}/allowPrivilegeEscalation`,
    undefined,
    'securityContext.allowPrivilegeEscalation: is not false',
  ],
  [`${security}/allowPrivilegeEscalation`, true, 'securityContext.allowPrivilegeEscalation: is not false'],
  [`${security}/runAsNonRoot`, false, 'securityContext.runAsNonRoot: is not true'],
  [`${security}/runAsUser`, 0, 'securityContext.runAsUser: is 0'],
  [`${security}/capabilities/drop`, ['KILL'], 'securityContext.capabilities.drop: lacks ALL'],
  [`${security}/capabilities/add`, ['KILL'], 'securityContext.capabilities.add: KILL'],
]
const allowedOfContainers: readonly Change[] = [
  [`${security}/windowsOptions`, { hostProcess: false }],
  [`${security}/privileged`, false],
  [`${security}/capabilities/add`, ['NET_BIND_SERVICE']],
  ['ports', [{ containerPort: 80, hostPort: 0 }]],
  ['livenessProbe', { httpGet: { port: 80, host: '' } }],
  [`${security}/appArmorProfile`, { type: 'Localhost', localhostProfile: 'a' }],
  [`${security}/seLinuxOptions`, { type: 'container_engine_t', level: 's0', user: '' }],
  [`${security}/procMount`, 'Default'],
  [`${security}/seccompProfile`, { type: 'Localhost', localhostProfile: 'a' }],
  [`${security}/runAsUser`, 1],
]

for (const place of ['containers', 'initContainers', 'ephemeralContainers']) {
  for (const [path, value, violation] of baselineOfContainers) {
    test(`baseline forbids ${JSON.stringify(value)} as ${path} of ${place}`, () => {
      const pod = changed(strict, `${place}/0/${path}`, value)
      assert.deepEqual(violations(pod, 'baseline'), [`spec.${place}[0].${violation}`])
      assert.deepEqual(violations(pod, 'restricted'), [`spec.${place}[0].${violation}`])
    })
  }
  for (const [path, value, violation] of restrictedOfContainers) {
    test(`restricted forbids ${JSON.stringify(value)} as ${path} of ${place}, and baseline does not`, () => {
      const pod = changed(strict, `${place}/0/${path}`, value)
      assert.deepEqual(violations(pod, 'baseline'), [])
      assert.deepEqual(violations(pod, 'restricted'), [`spec.${place}[0].${violation}`])
    })
  }
  for (const [path, value] of allowedOfContainers) {
    test(`restricted allows ${JSON.stringify(value)} as ${path} of ${place}`, () => {
      assert.deepEqual(violations(changed(strict, `${place}/0/${path}`, value), 'restricted'), [])
    })
  }
}

const baselineOfPods: readonly Change[] = [
  ['hostNetwork', true, 'hostNetwork: is true'],
  ['hostPID', true, 'hostPID: is true'],
  ['hostIPC', true, 'hostIPC: is true'],
  [
    `${security}/windowsOptions`,
    { hostProcess: true },
    'securityContext.windowsOptions.hostProcess: is true',
  ],
  [`${security}/appArmorProfile`, { type: 'Unconfined' }, 'securityContext.appArmorProfile.type: Unconfined'],
  [`${security}/seLinuxOptions`, { type: 'spc_t' }, 'securityContext.seLinuxOptions.type: spc_t'],
  [`${security}/seccompProfile`, { type: 'Unconfined' }, 'securityContext.seccompProfile.type: Unconfined'],
  [`${security}/sysctls`, [{ name: 'kernel.msgmax', value: '1' }], 'securityContext.sysctls: kernel.msgmax'],
  ['volumes', [{ name: 'a', hostPath: { path: '/' } }], 'volumes[a].hostPath: is set'],
]
const restrictedOfPods: readonly Change[] = [
  ['volumes', [{ name: 'a', nfs: { server: 'b', path: '/' } }], 'volumes[a]: nfs'],
  [`${security}/runAsNonRoot`, undefined, 'containers[0].securityContext.runAsNonRoot: is not true'],
  [`${security}/runAsUser`, 0, 'securityContext.runAsUser: is 0'],
  [`${security}/seccompProfile`, undefined, 'containers[0].securityContext.seccompProfile.type: is required'],
]
const allowedOfPods: readonly Change[] = [
  [`${security}/sysctls`, [{ name: 'net.ipv4.tcp_rmem', value: '1' }]],
  ['volumes', [{ name: 'a' }, { name: 'b', image: { reference: 'c' } }, { name: 'd', nfs: null }]],
  ['hostNetwork', false],
]

const single: Spec = { ...strict, initContainers: [], ephemeralContainers: [] }

for (const [path, value, violation] of baselineOfPods) {
  test(`baseline forbids ${JSON.stringify(value)} as ${path} of a pod`, () => {
    assert.deepEqual(violations(changed(single, path, value), 'baseline'), [`spec.${violation}`])
  })
}
for (const [path, value, violation] of restrictedOfPods) {
  test(`restricted forbids ${JSON.stringify(value)} as ${path} of a pod, and baseline does not`, () => {
    assert.deepEqual(violations(changed(single, path, value), 'baseline'), [])
    assert.deepEqual(violations(changed(single, path, value), 'restricted'), [`spec.${violation}`])
  })
}
for (const [path, value] of allowedOfPods) {
  test(`restricted allows ${JSON.stringify(value)} as ${path} of a pod`, () => {
    assert.deepEqual(violations(changed(single, path, value), 'restricted'), [])
  })
}

test('what a container says counts before what its pod says', () => {
  const pod = changed(single, `${security}/runAsNonRoot`, false)
  const own = changed(pod, `containers/0/${security}/runAsNonRoot`, true)
  assert.deepEqual(violations(own, 'restricted'), ['spec.securityContext.runAsNonRoot: is false'])
  const quiet = changed(single, security, {})
  const alone = changed(quiet, `containers/0/${security}`, {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  })
  assert.deepEqual(violations(alone, 'restricted'), [])
})

test('profiles of AppArmor in annotations count', () => {
  const key = 'container.apparmor.security.beta.kubernetes.io/app'
  const of = (value: string) =>
    violations(plain, 'baseline', { annotations: { [key]: value, other: 'unconfined' } })
  assert.deepEqual([of('runtime/default'), of('localhost/a')], [[], []])
  assert.deepEqual(of('unconfined'), [`metadata.annotations[${key}]: unconfined`])
})

test('on Windows only what Windows has is asked for', () => {
  const windows = { ...plain, os: { name: 'windows' } }
  assert.deepEqual(violations(windows, 'restricted'), [
    'spec.containers[0].securityContext.runAsNonRoot: is not true',
  ])
})
