// The table of reasons in the page about Kubernetes: each for which a pod is refused is there, and no other.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'

const readme = await readFile(join(import.meta.dirname, '../../deploy/kubernetes/README.md'), 'utf8')

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
  specified({ hostNetwork: 'true' as never }),
  specified({ hostNetwork: true }),
  specified({ os: { name: 'windows' } }),
  specified({ containers: Array.from({ length: 1_001 }, (_, i) => ({ name: `app-${i}` })) }),
  specified({ containers: [{ name: 'onbehalf' }] }),
  specified({ volumes: [{ name: 'onbehalf-mesh' }] }),
  contained({ ports: [{ containerPort: 15_001 }] }),
  contained({ securityContext: { runAsUser: 15_000 } }),
  specified({ securityContext: { runAsUser: 15_000 } }),
  specified({ containers: [{ name: 'istio-proxy' }] }),
  specified({ containers: [{ name: 'linkerd-proxy' }] }),
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
  contained(
    { volumeMounts: [{ name: 'v', mountPath: '/opt/onbehalf' }] },
    { 'onbehalf.dev/preload': 'true' },
  ),
  specified(
    { initContainers: [{ name: 'logs', restartPolicy: 'Always' }] },
    { 'onbehalf.dev/sidecar': 'classic' },
  ),
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
