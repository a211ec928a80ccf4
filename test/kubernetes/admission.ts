// What an API server does when a pod is created: asks the webhooks that select it, and takes of their answers what is sound.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { applyJsonPatch } from './json-patch.ts'

export type Fields = Readonly<Record<string, unknown>>
type Labels = Readonly<Record<string, string>>

export interface Selector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values?: readonly string[]
  }[]
}

export interface Webhook {
  readonly name: string
  readonly clientConfig: {
    readonly caBundle?: string
    readonly service: { readonly name: string; readonly namespace: string; readonly path: string }
  }
  readonly rules: readonly { readonly operations: readonly string[]; readonly resources: readonly string[] }[]
  readonly namespaceSelector?: Selector
  readonly objectSelector?: Selector
  readonly failurePolicy: 'Fail' | 'Ignore'
  readonly sideEffects: 'None'
  readonly admissionReviewVersions: readonly string[]
  readonly timeoutSeconds: number
}

export interface Pod {
  readonly apiVersion: 'v1'
  readonly kind: 'Pod'
  readonly metadata: {
    readonly name?: string
    readonly generateName?: string
    readonly labels?: Labels
    readonly annotations?: Labels
  }
  readonly spec: Fields
}

export interface Creation {
  readonly pod: Pod
  readonly namespace: string
  readonly namespaceLabels?: Labels
  readonly dryRun?: boolean
}

export interface Admitted {
  readonly pod: Pod
  readonly warnings: readonly string[]
  /** How many webhooks were asked, without those that were asked again. */
  readonly asked: number
}

/** As whoever creates the pod is told. */
export class Rejection extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export interface AdmissionOptions {
  /** As they are in effect at this moment. */
  readonly webhooks: () => readonly Webhook[]
  /** The ports behind a Service, of which one is taken in turn. */
  readonly endpoints: () => readonly number[]
  /** What a pod lacks to be let in, after all webhooks. */
  readonly validate?: (pod: Pod) => readonly string[]
}

export class Admission {
  readonly #options: AdmissionOptions
  /** An API server keeps its connections, by what they were made with. */
  readonly #agents = new Map<string, Agent>()
  #turn = 0

  constructor(t: Pick<TestContext, 'after'>, options: AdmissionOptions) {
    this.#options = options
    t.after(() => {
      for (const agent of this.#agents.values()) agent.destroy()
    })
  }

  /** @throws {Rejection} */
  async create(creation: Creation): Promise<Admitted> {
    const warnings: string[] = []
    let { pod } = creation
    const asked = this.#options.webhooks().filter((webhook) => selects(webhook, creation))
    for (const webhook of asked) {
      const called = await this.#ask(webhook, { ...creation, pod })
      pod = called.pod
      warnings.push(...called.warnings)
    }
    // Other webhooks may have changed it: `reinvocationPolicy: IfNeeded`. Then ours must find nothing more to do.
    for (const webhook of asked) {
      const again = await this.#ask(webhook, { ...creation, pod })
      assert.deepEqual(again.pod, pod, `${webhook.name} changes again what it has changed`)
    }
    const problems = this.#options.validate?.(pod) ?? []
    if (problems.length > 0) throw new Rejection(422, problems.join('; '))
    return { pod, warnings, asked: asked.length }
  }

  async #ask(webhook: Webhook, creation: Creation): Promise<{ pod: Pod; warnings: readonly string[] }> {
    try {
      const uid = randomUUID()
      const response = checkResponse(await this.#call(webhook, reviewOf(uid, creation)), uid)
      if (!response.allowed) throw rejectionBy(webhook, response)
      const pod =
        response.patch === undefined
          ? creation.pod
          : (applyJsonPatch(creation.pod, JSON.parse(response.patch)) as Pod)
      return { pod, warnings: response.warnings }
    } catch (error) {
      if (error instanceof Rejection) throw error
      if (webhook.failurePolicy === 'Ignore') return { pod: creation.pod, warnings: [] }
      const cause = error instanceof Error ? error.message : String(error)
      throw new Rejection(500, `failed calling webhook "${webhook.name}": ${cause}`)
    }
  }

  /** @throws {Error} there is no answer in time, or none that is right. */
  async #call({ clientConfig, timeoutSeconds }: Webhook, review: object): Promise<unknown> {
    const { service, caBundle = '' } = clientConfig
    const ports = this.#options.endpoints()
    const port = ports[this.#turn++ % ports.length]
    if (port === undefined) throw new Error('no endpoints available')
    const asking = httpsRequest({
      host: '127.0.0.1',
      port,
      servername: `${service.name}.${service.namespace}.svc`,
      ca: Buffer.from(caBundle, 'base64').toString(),
      method: 'POST',
      path: `${service.path}?timeout=${timeoutSeconds}s`,
      headers: { 'content-type': 'application/json', accept: 'application/json, */*' },
      agent: this.#agentFor(`${port} ${caBundle}`),
      signal: AbortSignal.timeout(timeoutSeconds * 1_000),
    })
    asking.end(JSON.stringify(review))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${body}`)
    return JSON.parse(body)
  }

  #agentFor(key: string): Agent {
    const agent = this.#agents.get(key) ?? new Agent({ keepAlive: true, timeout: 90_000 })
    this.#agents.set(key, agent)
    return agent
  }
}

/** As an API server of 1.34 writes one. */
export function reviewOf(uid: string, { pod, namespace, dryRun = false }: Creation, more: Fields = {}) {
  const { name } = pod.metadata
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      requestResource: { group: '', version: 'v1', resource: 'pods' },
      ...(name === undefined ? {} : { name }),
      namespace,
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
      object: pod,
      oldObject: null,
      dryRun,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      ...more,
    },
  }
}

function selects(webhook: Webhook, { pod, namespace, namespaceLabels = {} }: Creation): boolean {
  const isAbout = webhook.rules.some(
    ({ operations, resources }) => operations.includes('CREATE') && resources.includes('pods'),
  )
  return (
    isAbout &&
    matches(webhook.namespaceSelector, { 'kubernetes.io/metadata.name': namespace, ...namespaceLabels }) &&
    matches(webhook.objectSelector, pod.metadata.labels ?? {})
  )
}

function matches({ matchLabels = {}, matchExpressions = [] }: Selector = {}, labels: Labels): boolean {
  const hasLabels = Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
  return hasLabels && matchExpressions.every((expression) => holds(expression, labels))
}

function holds(
  { key, operator, values = [] }: NonNullable<Selector['matchExpressions']>[number],
  labels: Labels,
): boolean {
  const value = labels[key]
  switch (operator) {
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
  }
}

interface Response {
  readonly allowed: boolean
  /** JSON. */
  readonly patch: string | undefined
  readonly warnings: readonly string[]
  readonly status: { readonly code?: number; readonly message?: string }
}

/** As `verifyAdmissionResponse` of k8s.io/apiserver. @throws {Error} a real one would not go by it. */
export function checkResponse(review: unknown, uid: string): Response {
  const { apiVersion, kind, response } = review as Fields
  assert.deepEqual([apiVersion, kind], ['admission.k8s.io/v1', 'AdmissionReview'])
  const { uid: own, allowed, patch, patchType, warnings = [], status = {} } = response as Fields
  assert.equal(own, uid, `expected response.uid=${uid}`)
  assert.equal(typeof allowed, 'boolean')
  assert.equal(patch === undefined, patchType === undefined, 'patch and patchType belong together')
  assert.ok(patchType === undefined || patchType === 'JSONPatch', 'unknown patchType')
  const decoded = patch === undefined ? undefined : Buffer.from(patch as string, 'base64')
  assert.equal(decoded?.toString('base64'), patch, 'the patch is no base64')
  const shown = warnings as readonly string[]
  checkWarnings(shown)
  return {
    allowed: allowed === true,
    patch: decoded?.toString(),
    warnings: shown,
    status: status as Response['status'],
  }
}

/** What an API server would cut or drop. */
function checkWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) {
    assert.ok(Array.from(warning).length <= 256, `a warning would be cut: ${warning}`)
    assert.doesNotMatch(warning, /\p{Cc}/u)
  }
  assert.ok(Array.from(warnings.join('')).length <= 4_096, 'warnings would be dropped')
}

function rejectionBy({ name }: Webhook, { status }: Response): Rejection {
  const { code = 0, message = 'without explanation' } = status
  return new Rejection(code < 400 ? 400 : code, `admission webhook "${name}" denied the request: ${message}`)
}
