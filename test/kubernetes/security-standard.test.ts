// The standards as the tests hold them: each control seen to fire, and none on pods that keep to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violations, type Level } from './security-standard.ts'

const restrictedContext = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}
const good = {
  containers: [{ name: 'a', securityContext: restrictedContext }],
  volumes: [{ name: 'v', emptyDir: {} }],
}

/** A container that breaks one control of the restricted standard, or of both. */
const container = (context: object, more: object = {}) => ({
  ...good,
  containers: [{ name: 'a', securityContext: { ...restrictedContext, ...context }, ...more }],
})
const spec = (more: object) => ({ ...good, ...more })

const bad: readonly (readonly [Level, object, RegExp])[] = [
  ['baseline', container({ windowsOptions: { hostProcess: true } }), /hostProcess/],
  ['baseline', spec({ hostNetwork: true }), /spec\.hostNetwork/],
  ['baseline', spec({ hostPID: true }), /spec\.hostPID/],
  ['baseline', spec({ hostIPC: true }), /spec\.hostIPC/],
  ['baseline', container({ privileged: true }), /privileged/],
  [
    'baseline',
    container({ capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } }),
    /capabilities\.add: NET_ADMIN/,
  ],
  ['baseline', spec({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }), /hostPath/],
  ['baseline', container({}, { ports: [{ containerPort: 1, hostPort: 1 }] }), /hostPort/],
  [
    'baseline',
    container({}, { livenessProbe: { httpGet: { host: 'elsewhere', port: 1 } } }),
    /livenessProbe\.httpGet\.host/,
  ],
  ['baseline', container({ appArmorProfile: { type: 'Unconfined' } }), /appArmorProfile/],
  ['baseline', container({ seLinuxOptions: { type: 'spc_t' } }), /seLinuxOptions\.type/],
  ['baseline', container({ seLinuxOptions: { user: 'u' } }), /seLinuxOptions\.user/],
  ['baseline', container({ seLinuxOptions: { role: 'r' } }), /seLinuxOptions\.role/],
  ['baseline', container({ procMount: 'Unmasked' }), /procMount/],
  ['baseline', container({ seccompProfile: { type: 'Unconfined' } }), /seccompProfile/],
  ['baseline', spec({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }), /sysctls/],
  ['restricted', spec({ volumes: [{ name: 'v', nfs: {} }] }), /volumes\[0\]/],
  ['restricted', container({ allowPrivilegeEscalation: undefined }), /allowPrivilegeEscalation/],
  ['restricted', container({ runAsNonRoot: undefined }), /runAsNonRoot/],
  ['restricted', container({ runAsUser: 0 }), /runAsUser/],
  ['restricted', container({ seccompProfile: undefined }), /seccompProfile: is missing/],
  ['restricted', container({ capabilities: { drop: ['NET_RAW'] } }), /drop: is without ALL/],
  ['restricted', container({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } }), /add: CHOWN/],
  ['restricted', spec({ initContainers: [{ name: 'i' }] }), /initContainers\[0\]/],
]

for (const [level, pod, why] of bad)
  test(`forbidden under ${level}: ${why.source}`, () => {
    assert.match(violations(pod, level).join('\n'), why)
    if (level === 'restricted') assert.deepEqual(violations(pod, 'baseline'), [])
  })

test('an annotation that turns AppArmor off is forbidden', () => {
  const annotations = { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' }
  assert.match(violations(good, 'baseline', { annotations }).join(), /apparmor/)
})

test('a pod that keeps to both, by itself or by what the whole pod says', () => {
  const { runAsNonRoot, seccompProfile, ...own } = restrictedContext
  const whole = {
    containers: [{ name: 'a', securityContext: own }],
    securityContext: { runAsNonRoot, seccompProfile },
  }
  assert.deepEqual([...violations(good, 'restricted'), ...violations(whole, 'restricted')], [])
})
