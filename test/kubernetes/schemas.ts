// Whether a Kubernetes API server would take an object: fields and types first, then the rules that no schema holds.
import { bindingProblems, roleProblems, webhooksProblems } from './rules/access.ts'
import { configMapProblems, secretProblems } from './rules/contents.ts'
import { objectMetadataProblems } from './rules/metadata.ts'
import { disruptionBudgetProblems, networkPolicyProblems, serviceProblems } from './rules/network.ts'
import { ownSchemaProblems } from './rules/own-schemas.ts'
import { isFields, structureProblems, type Fields } from './rules/structure.ts'
import type { Metadata } from './rules/types.ts'
import {
  cronJobProblems,
  daemonSetProblems,
  deploymentProblems,
  jobProblems,
  podObjectProblems,
  statefulSetProblems,
} from './rules/workloads.ts'

type Rules = (object: never) => string[]

/** Structure has shown by then that an object has its kind's type. */
const rules: Readonly<Record<string, Rules>> = {
  'v1 Pod': podObjectProblems,
  'apps/v1 Deployment': deploymentProblems,
  'apps/v1 StatefulSet': statefulSetProblems,
  'apps/v1 DaemonSet': daemonSetProblems,
  'batch/v1 Job': jobProblems,
  'batch/v1 CronJob': cronJobProblems,
  'v1 Service': serviceProblems,
  'v1 ConfigMap': configMapProblems,
  'v1 Secret': secretProblems,
  'networking.k8s.io/v1 NetworkPolicy': networkPolicyProblems,
  'policy/v1 PodDisruptionBudget': disruptionBudgetProblems,
  'rbac.authorization.k8s.io/v1 Role': (object) => roleProblems(object, false),
  'rbac.authorization.k8s.io/v1 ClusterRole': (object) => roleProblems(object, true),
  'rbac.authorization.k8s.io/v1 RoleBinding': (object) => bindingProblems(object, false),
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': (object) => bindingProblems(object, true),
  'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration': webhooksProblems,
}

/** They are never stored: nothing names them. */
const withoutName: ReadonlySet<string> = new Set(['AdmissionReview', 'Kustomization', 'Component'])

/**
 * The problems of one object of any kind that this project writes or reads, as `path: what is wrong`; none if a server
 * of the versions supported would take it. Like the server, it looks at rules only where fields and types are right.
 */
export function validateObject(object: unknown): string[] {
  if (!isFields(object)) return ['is no object']
  const { apiVersion, kind } = object
  if (typeof apiVersion !== 'string') return ['apiVersion: is required']
  if (typeof kind !== 'string') return ['kind: is required']
  if (apiVersion === 'v1' && kind === 'List') return validateList(object)
  const structure = ownSchemaProblems(object, apiVersion, kind) ?? structureProblems(object, apiVersion, kind)
  if (structure.length > 0) return structure
  const given = withoutNulls(object) as Fields
  const check = rules[`${apiVersion} ${kind}`] as ((object: Fields) => string[]) | undefined
  return [
    ...(withoutName.has(kind) ? [] : objectMetadataProblems(given['metadata'] as Metadata | undefined, kind)),
    ...(check?.(given) ?? []),
  ]
}

const listFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'items'])

function validateList(list: Fields): string[] {
  const { items } = list
  if (!Array.isArray(items)) return ['items: are required']
  const unknown = Object.keys(list).filter((key) => !listFields.has(key))
  return [
    ...unknown.map((key) => `${key}: is no field`),
    ...items.flatMap((item, i) => validateObject(item).map((problem) => `items[${i}].${problem}`)),
  ]
}

/** A field that is null is one that is not there. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isFields(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([key, each]) => [key, withoutNulls(each)]),
  )
}
