// What the API server asks of RBAC objects and of admission webhooks (pkg/apis/rbac/validation, pkg/apis/admissionregistration/validation).
import type { IMutatingWebhookConfiguration } from 'kubernetes-models/admissionregistration.k8s.io/v1/MutatingWebhookConfiguration'
import type { IClusterRole } from 'kubernetes-models/rbac.authorization.k8s.io/v1/ClusterRole'
import type { IRoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding'
import { selectorProblems } from './metadata.ts'
import { duplicates, isPortNumber, isQualifiedName, isSubdomain } from './text.ts'

const rbac = 'rbac.authorization.k8s.io'

export function roleProblems({ rules }: IClusterRole, isClusterWide: boolean): string[] {
  return (rules ?? []).flatMap((rule, i) => {
    const { verbs, apiGroups = [], resources = [], nonResourceURLs = [] } = rule
    const path = `rules[${i}]`
    return [
      ...(verbs.length === 0 ? [`${path}.verbs: are required`] : []),
      ...(nonResourceURLs.length > 0 && !isClusterWide
        ? [`${path}.nonResourceURLs: only a ClusterRole has them`]
        : []),
      ...(nonResourceURLs.length > 0 && apiGroups.length + resources.length > 0
        ? [`${path}: has both resources and nonResourceURLs`]
        : []),
      ...(nonResourceURLs.length === 0 && apiGroups.length === 0 ? [`${path}.apiGroups: are required`] : []),
      ...(nonResourceURLs.length === 0 && resources.length === 0 ? [`${path}.resources: are required`] : []),
    ]
  })
}

export function bindingProblems({ roleRef, subjects = [] }: IRoleBinding, isClusterWide: boolean): string[] {
  const kinds = isClusterWide ? ['ClusterRole'] : ['ClusterRole', 'Role']
  return [
    ...(roleRef.apiGroup === rbac ? [] : [`roleRef.apiGroup: is not ${rbac}`]),
    ...(kinds.includes(roleRef.kind) ? [] : [`roleRef.kind: is none of ${kinds.join(', ')}`]),
    ...(roleRef.name === '' ? ['roleRef.name: is required'] : []),
    ...subjects.flatMap((subject, i) => subjectProblems(subject, `subjects[${i}]`)),
  ]
}

type Subject = NonNullable<IRoleBinding['subjects']>[number]

function subjectProblems({ kind, apiGroup = '', name, namespace = '' }: Subject, path: string): string[] {
  if (kind !== 'ServiceAccount') {
    const isKnown = kind === 'User' || kind === 'Group'
    // The group of these is filled in (pkg/apis/rbac/v1/defaults.go).
    const isRight = isKnown && (apiGroup === '' || apiGroup === rbac)
    return isRight ? [] : [`${path}: is no ServiceAccount, User or Group`]
  }
  return [
    ...(isSubdomain(name) ? [] : [`${path}.name: "${name}" is no name of a ServiceAccount`]),
    ...(namespace === '' ? [`${path}.namespace: is required`] : []),
    ...(apiGroup === '' ? [] : [`${path}.apiGroup: is not ""`]),
  ]
}

type Webhook = NonNullable<IMutatingWebhookConfiguration['webhooks']>[number]

export function webhooksProblems({ webhooks = [] }: IMutatingWebhookConfiguration): string[] {
  return [
    ...duplicates(webhooks.map(({ name }) => name)).map((name) => `webhooks: two are named "${name}"`),
    ...webhooks.flatMap((webhook, i) => webhookProblems(webhook, `webhooks[${i}]`)),
  ]
}

const versions: ReadonlySet<string> = new Set(['v1', 'v1beta1'])

function webhookProblems(webhook: Webhook, path: string): string[] {
  const { name, admissionReviewVersions, sideEffects, timeoutSeconds = 10 } = webhook
  return [
    ...(isSubdomain(name) && name.split('.').length >= 3
      ? []
      : [`${path}.name: "${name}" is no domain of three segments or more`]),
    ...(admissionReviewVersions.some((version) => versions.has(version))
      ? []
      : [`${path}.admissionReviewVersions: must include v1`]),
    ...duplicates(admissionReviewVersions).map(
      (version) => `${path}.admissionReviewVersions: ${version} twice`,
    ),
    ...(sideEffects === 'None' || sideEffects === 'NoneOnDryRun'
      ? []
      : [`${path}.sideEffects: is neither None nor NoneOnDryRun`]),
    ...(timeoutSeconds >= 1 && timeoutSeconds <= 30
      ? []
      : [`${path}.timeoutSeconds: is not between 1 and 30`]),
    ...clientProblems(webhook.clientConfig, `${path}.clientConfig`),
    ...(webhook.rules ?? []).flatMap((rule, i) => ruleProblems(rule, `${path}.rules[${i}]`)),
    ...selectorProblems(webhook.namespaceSelector, `${path}.namespaceSelector`),
    ...selectorProblems(webhook.objectSelector, `${path}.objectSelector`),
    ...conditionProblems(webhook.matchConditions ?? [], `${path}.matchConditions`),
  ]
}

function clientProblems({ url, service }: Webhook['clientConfig'], path: string): string[] {
  if ((url === undefined) === (service === undefined)) return [`${path}: must name one of url and service`]
  if (url !== undefined)
    return /^https:\/\/[^/?#@]+(\/[^?#]*)?$/.test(url) ? [] : [`${path}.url: is no https address`]
  const { port = 443, path: place = '/' } = service ?? {}
  return [
    ...(isPortNumber(port) ? [] : [`${path}.service.port: is no port`]),
    ...(/^\/([^/]+\/)*[^/]*$/.test(place) ? [] : [`${path}.service.path: "${place}" is no path`]),
  ]
}

type Rule = NonNullable<Webhook['rules']>[number]

function ruleProblems(rule: Rule, path: string): string[] {
  const lists = ['apiGroups', 'apiVersions', 'operations', 'resources'] as const
  const [empty, mixed] = [
    lists.filter((key) => (rule[key] ?? []).length === 0),
    (['apiGroups', 'apiVersions', 'operations'] as const).filter((key) => {
      const values: readonly string[] = rule[key] ?? []
      return values.includes('*') && values.length > 1
    }),
  ]
  return [
    ...empty.map((key) => `${path}.${key}: is required`),
    ...mixed.map((key) => `${path}.${key}: has * beside others`),
  ]
}

type Conditions = NonNullable<Webhook['matchConditions']>

function conditionProblems(conditions: Conditions, path: string): string[] {
  return [
    ...duplicates(conditions.map(({ name }) => name)).map((name) => `${path}: two are named "${name}"`),
    ...conditions
      .filter(({ name }) => !isQualifiedName(name))
      .map(({ name }) => `${path}: "${name}" is no name`),
    ...conditions
      .filter(({ expression }) => expression.trim() === '')
      .map(({ name }) => `${path}: "${name}" has no expression`),
  ]
}
