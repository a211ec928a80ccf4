// The injector as an API server meets it: over TLS, by its webhooks, with the patch applied and the pod sent again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Admission, type Rejection, type Creation, type Pod, type Webhook } from './admission.ts'
import { podOf, shop, startGround, webhooksPath, type Ground, type Replica } from './injector-ground.ts'
import { validateObject } from './schemas.ts'

const ends: (() => unknown)[] = []
const file = { after: (end: () => unknown) => void ends.unshift(end) }
let ground: Ground
let injector: Replica

before(async () => {
  ground = await startGround(file, { validate: validateObject })
  const settings = { environment: [{ name: 'OTEL_TRACES_EXPORTER', value: 'otlp' }] }
  injector = await ground.replica({ intervalMs: 60_000 }, { settings })
  await injector.untilReady()
  ground.endpoints.push(injector.address.port)
})
after(async () => {
  for (const end of ends) await end()
})

const create = (creation: Partial<Creation> = {}) =>
  ground.admission.create({ pod: podOf(), ...shop, ...creation })
const namesOf = ({ spec }: Pod, key: 'containers' | 'initContainers') =>
  ((spec[key] ?? []) as readonly { readonly name: string }[]).map(({ name }) => name)
const rejected = (creation: Partial<Creation>) =>
  create(creation).then(
    () => assert.fail('it was let in'),
    (error: unknown) => error as Rejection,
  )

test('a pod of a labelled namespace gets its sidecar, once', async () => {
  const { pod, asked } = await create()
  assert.equal(asked, 1)
  assert.deepEqual(namesOf(pod, 'initContainers'), ['onbehalf-redirect', 'onbehalf'])
  assert.deepEqual(namesOf(pod, 'containers'), ['app'])
  assert.equal(pod.metadata.annotations?.['onbehalf.dev/injected'], '1.2.3')
  assert.match(JSON.stringify(pod.spec), /OTEL_TRACES_EXPORTER/)
})

test('a pod that the label selects elsewhere gets its sidecar', async () => {
  const metadata = { labels: { 'app.kubernetes.io/name': 'Web', 'onbehalf.dev/inject': 'true' } }
  const { pod } = await create({ pod: podOf({ metadata }), namespace: 'other', namespaceLabels: {} })
  assert.deepEqual(namesOf(pod, 'initContainers'), ['onbehalf-redirect', 'onbehalf'])
})

test('a pod that nothing selects is not even asked about, nor one beside the injector', async () => {
  assert.equal((await create({ namespace: 'other', namespaceLabels: {} })).asked, 0)
  assert.equal((await create({ namespace: 'onbehalf-system' })).asked, 0)
})

for (const [by, metadata] of [
  ['annotation', { annotations: { 'onbehalf.dev/inject': 'false' } }],
  ['label', { labels: { 'onbehalf.dev/inject': 'false' } }],
] as const)
  test(`a pod that says no by ${by} stays as it is`, async () => {
    const pod = podOf({ metadata })
    // Without an objectSelector: the label is heeded by the injector, too.
    const [{ objectSelector: _none, ...webhook }] = webhooks() as [Webhook]
    assert.deepEqual((await askOnly(webhook, pod)).pod, pod)
  })

const webhooks = () => ground.api.get(webhooksPath)?.['webhooks'] as readonly Webhook[]
const askOnly = async (webhook: Webhook, pod: Pod) => {
  const admission = new Admission(file, { webhooks: () => [webhook], endpoints: () => ground.endpoints })
  return admission.create({ pod, ...shop })
}

test('a pod that cannot be injected is refused, with its name and every reason', async () => {
  const metadata = { annotations: { 'onbehalf.dev/prelaod': 'true' } }
  const { code, message } = await rejected({ pod: podOf({ metadata, spec: { hostNetwork: true } }) })
  assert.equal(code, 422)
  assert.match(message, /denied the request: onbehalf: no sidecar can stand beside pod web-7c9d-\*: /)
  assert.match(message, /onbehalf\.dev\/prelaod: is not known; did you mean "preload"\?; hostNetwork: /)
})

test('what weakens the injection comes as a warning, none longer than is shown', async () => {
  const containers = Array.from({ length: 5 }, (_, i) => ({
    name: `able-${i}-${'x'.repeat(50)}`,
    image: 'shop/web:1',
    securityContext: { privileged: true },
  }))
  const { warnings } = await create({ pod: podOf({ spec: { containers } }) })
  assert.equal(warnings.length, 2)
  assert.match(warnings[0] ?? '', /^onbehalf: able-0-x+, [^]+…$/)
  assert.match(warnings[1] ?? '', /^onbehalf: no container declares a port/)
})

test('a pod without containers does not become one of the sidecar alone', async () => {
  const metadata = {
    labels: { 'app.kubernetes.io/name': 'Web' },
    annotations: { 'onbehalf.dev/sidecar': 'classic' },
  }
  const { code, message } = await rejected({ pod: podOf({ spec: { containers: [] }, metadata }) })
  assert.deepEqual([code, message], [422, 'spec.containers: is required'])
})

test('an error of ours lets no pod in, and is told in the log', async () => {
  const { code, message } = await rejected({ pod: { ...podOf(), spec: null as never } })
  assert.equal(code, 500)
  assert.match(message, /the injection failed/)
  const line = injector.lines.findLast((each) => each['outcome'] === 'failed')
  assert.deepEqual([line?.['level'], line?.['pod']], ['error', 'web-7c9d-*'])
})

test('a dry run is answered as any other', async () => {
  const { pod } = await create({ dryRun: true })
  assert.deepEqual(namesOf(pod, 'initContainers'), ['onbehalf-redirect', 'onbehalf'])
  assert.equal(injector.lines.at(-1)?.['dry_run'], true)
})

test('the log names namespace, pod, outcome and reasons, and nothing that a pod holds', async () => {
  await create({ namespace: 'logged' })
  const { outcome, namespace, pod, level } = injector.lines.at(-2) ?? {}
  assert.deepEqual([outcome, namespace, pod, level], ['injected', 'logged', 'web-7c9d-*', 'info'])
  assert.equal(injector.lines.at(-1)?.['outcome'], 'unchanged')
  assert.doesNotMatch(JSON.stringify(injector.lines), /correct horse|DATABASE_PASSWORD|PRIVATE|token-/)
})

test('many pods at once are all injected', async () => {
  const pods = await Promise.all(Array.from({ length: 20 }, () => create()))
  for (const { pod } of pods) assert.equal(namesOf(pod, 'initContainers').length, 2)
})

test('metrics count reviews by outcome, and say when the certificate ends', async () => {
  const { body } = await injector.probe('/metrics')
  for (const outcome of ['injected', 'unchanged', 'refused', 'failed'])
    assert.match(body, new RegExp(`^onbehalf_injector_reviews_total\\{outcome="${outcome}"\\} [1-9]`, 'm'))
  assert.match(body, /^onbehalf_injector_review_duration_seconds_bucket\{le="0\.001"\} \d/m)
  const endsAt = Number(/^onbehalf_injector_certificate_expiry_timestamp_seconds (\d+)$/m.exec(body)?.[1])
  assert.ok(Math.abs(endsAt - Date.now() / 1_000 - 90 * 86_400) < 120)
})
