// What the API server asks of names, labels, annotations and selectors (apimachinery/pkg/api/validation, apis/meta/v1/validation).
import type { LabelSelector, Metadata } from './types.ts'
import { isLabel, isLabelValue, isQualifiedName, isServiceName, isSubdomain } from './text.ts'

const annotationBytes = 256 * 1024

/** By kind, where it is no DNS subdomain (`ValidateNameFunc` of each strategy in pkg/registry). */
const nameForms: Readonly<Record<string, (name: string) => boolean>> = {
  Namespace: isLabel,
  Service: isServiceName,
  Role: isPathSegment,
  RoleBinding: isPathSegment,
  ClusterRole: isPathSegment,
  ClusterRoleBinding: isPathSegment,
  // A Job's name is the CronJob's and eleven characters (pkg/apis/batch/validation).
  CronJob: (name) => isSubdomain(name) && name.length <= 52,
  // The label of its pods that carries its name (Job) or the Pod's own (StatefulSet's) has at most 63.
  Job: (name) => isSubdomain(name) && name.length <= 63,
  StatefulSet: isLabel,
}

const clusterScoped: ReadonlySet<string> = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'PriorityClass',
  'ClusterIssuer',
])

function isPathSegment(name: string): boolean {
  return name !== '.' && name !== '..' && !/[/%]/.test(name)
}

/** Of a whole object (`ValidateObjectMeta`). */
export function objectMetadataProblems(metadata: Metadata | undefined, kind: string): string[] {
  const { name, generateName, namespace } = metadata ?? {}
  const isRight = nameForms[kind] ?? isSubdomain
  return [
    ...((name ?? '') === '' && (generateName ?? '') === '' ? ['metadata.name: is required'] : []),
    ...((name ?? '') !== '' && !isRight(name ?? '')
      ? [`metadata.name: "${name}" is no name of a ${kind}`]
      : []),
    ...(namespace !== undefined && clusterScoped.has(kind) ? [`metadata.namespace: a ${kind} has none`] : []),
    ...(namespace !== undefined && !isLabel(namespace)
      ? [`metadata.namespace: "${namespace}" is no name of a Namespace`]
      : []),
    ...markProblems(metadata, 'metadata'),
  ]
}

/** Labels and annotations, which templates have too (`ValidateLabels`, `ValidateAnnotations`). */
export function markProblems(metadata: Metadata | undefined, path: string): string[] {
  const annotations = Object.entries(metadata?.annotations ?? {})
  const size = annotations.reduce((sum, each) => sum + Buffer.byteLength(each.join('')), 0)
  return [
    ...labelProblems(metadata?.labels ?? {}, `${path}.labels`),
    ...annotations
      // Only here the server takes capitals in the prefix for small letters.
      .filter(([key]) => !isQualifiedName(key.toLowerCase()))
      .map(([key]) => `${path}.annotations: "${key}" is no key`),
    ...(size > annotationBytes
      ? [`${path}.annotations: have ${size} bytes, more than ${annotationBytes}`]
      : []),
  ]
}

export function labelProblems(labels: Readonly<Record<string, string>>, path: string): string[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(isQualifiedName(key) ? [] : [`${path}: "${key}" is no key`]),
    ...(isLabelValue(value) ? [] : [`${path}[${key}]: "${value}" is no value`]),
  ])
}

/** `ValidateLabelSelector`. */
export function selectorProblems(selector: LabelSelector | undefined, path: string): string[] {
  const expressions = (selector?.matchExpressions ?? []).flatMap(({ key, operator, values = [] }, i) => {
    const at = `${path}.matchExpressions[${i}]`
    const isList = operator === 'In' || operator === 'NotIn'
    const isPresence = operator === 'Exists' || operator === 'DoesNotExist'
    return [
      ...(isQualifiedName(key) ? [] : [`${at}.key: "${key}" is no key`]),
      ...(isList || isPresence ? [] : [`${at}.operator: "${operator}" is no operator`]),
      ...(isList && values.length === 0 ? [`${at}.values: are required with ${operator}`] : []),
      ...(isPresence && values.length > 0 ? [`${at}.values: may not stand with ${operator}`] : []),
      ...values
        .filter((value) => !isLabelValue(value))
        .map((value) => `${at}.values: "${value}" is no value`),
    ]
  })
  return [...labelProblems(selector?.matchLabels ?? {}, `${path}.matchLabels`), ...expressions]
}

/** Whether an object of these labels is selected; an empty selector selects all. */
export function isSelected(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const isEqual = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  const isMet = (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    const isListed = value !== undefined && values.includes(value)
    if (operator === 'In') return isListed
    if (operator === 'NotIn') return !isListed
    return (value !== undefined) === (operator === 'Exists')
  })
  return isEqual && isMet
}
