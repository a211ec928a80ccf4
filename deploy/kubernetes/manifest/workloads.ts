// The pods and pod templates in a manifest: which objects have one, and where.
import type { PodTemplate } from '../injection/pod.ts'

export interface Workload {
  /** As kubectl names it: `Deployment/web`. */
  readonly title: string
  /** As the manifest names it. */
  readonly namespace: string | undefined
  /** Where it is in the document itself: `[]`, or of a List `['items', '0']`. */
  readonly object: readonly string[]
  /** Where the pod is in the document: `['spec', 'template']`. */
  readonly path: readonly string[]
  readonly pod: PodTemplate
}

const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
}
/** Of the kinds above, and of none that others define under the same name. */
const groups = /^(v1|apps\/v1|batch\/v1(beta1)?)$/

/** Those of one document; of a List, those of its items. Another kind has none. */
export function workloadsIn(object: unknown, path: readonly string[] = []): readonly Workload[] {
  const { apiVersion, kind, metadata, items } = fields(object)
  if (typeof kind !== 'string') return []
  if (Array.isArray(items) && kind.endsWith('List'))
    return items.flatMap((item, i) => workloadsIn(item, [...path, 'items', String(i)]))
  const within = templateOf(apiVersion, kind)
  if (within === undefined) return []
  const pod = within.reduce<unknown>((value, key) => fields(value)[key], object)
  if (!Array.isArray(fields(fields(pod)['spec'])['containers'])) return []
  const { namespace } = fields(metadata)
  return [
    {
      title: `${kind}/${nameOf(metadata)}`,
      namespace: typeof namespace === 'string' ? namespace : undefined,
      object: path,
      path: [...path, ...within],
      pod: pod as PodTemplate,
    },
  ]
}

function templateOf(apiVersion: unknown, kind: string): readonly string[] | undefined {
  return Object.hasOwn(templates, kind) && groups.test(String(apiVersion)) ? templates[kind] : undefined
}

/** Objects of other kinds that seem to make pods, as an Argo Rollout does. */
export function strangersIn(
  object: unknown,
  path: readonly string[] = [],
): readonly Pick<Workload, 'title' | 'object'>[] {
  const { apiVersion, kind, metadata, items, spec } = fields(object)
  if (typeof kind !== 'string') return []
  if (Array.isArray(items) && kind.endsWith('List'))
    return items.flatMap((item, i) => strangersIn(item, [...path, 'items', String(i)]))
  const { containers } = fields(fields(fields(spec)['template'])['spec'])
  const isStranger = Array.isArray(containers) && templateOf(apiVersion, kind) === undefined
  return isStranger ? [{ title: `${kind}/${nameOf(metadata)}`, object: path }] : []
}

function nameOf(metadata: unknown): string {
  const { name, generateName } = fields(metadata)
  const given = name ?? generateName
  return typeof given === 'string' ? given : 'without a name'
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
