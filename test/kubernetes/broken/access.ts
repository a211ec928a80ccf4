// RBAC objects and webhook configurations that no server takes.
import type { Break } from './broken.ts'

export const access: readonly Break[] = [
  ['Role', 'rules/0/verbs', [], 'rules[0].verbs: are required'],
  ['Role', 'rules/0/apiGroups', [], 'rules[0].apiGroups: are required'],
  ['Role', 'rules/0/resources', undefined, 'rules[0].resources: are required'],
  [
    'Role',
    'rules/0',
    { nonResourceURLs: ['/a'], verbs: ['get'] },
    'rules[0].nonResourceURLs: only a ClusterRole has them',
  ],
  ['ClusterRole', 'rules/0/resources', ['pods'], 'rules[0]: has both resources and nonResourceURLs'],
  ['RoleBinding', 'roleRef/apiGroup', 'rbac', 'roleRef.apiGroup: is not rbac.authorization.k8s.io'],
  ['RoleBinding', 'roleRef/name', '', 'roleRef.name: is required'],
  ['ClusterRoleBinding', 'roleRef/kind', 'Role', 'roleRef.kind: is none of ClusterRole'],
  ['RoleBinding', 'subjects/0/namespace', undefined, 'subjects[0].namespace: is required'],
  ['RoleBinding', 'subjects/0/name', 'A', 'subjects[0].name: "A" is no name of a ServiceAccount'],
  ['RoleBinding', 'subjects/0/apiGroup', 'a', 'subjects[0].apiGroup: is not ""'],
  ['RoleBinding', 'subjects/1/kind', 'Team', 'subjects[1]: is no ServiceAccount, User or Group'],
]

const kind = 'MutatingWebhookConfiguration'
const hook = 'webhooks/0'

export const webhooks: readonly Break[] = [
  [
    kind,
    `${hook}/name`,
    'onbehalf.dev',
    'webhooks[0].name: "onbehalf.dev" is no domain of three segments or more',
  ],
  [kind, `${hook}/admissionReviewVersions`, ['v2'], 'webhooks[0].admissionReviewVersions: must include v1'],
  [kind, `${hook}/admissionReviewVersions`, ['v1', 'v1'], 'webhooks[0].admissionReviewVersions: v1 twice'],
  [kind, `${hook}/sideEffects`, 'Some', 'webhooks[0].sideEffects: is neither None nor NoneOnDryRun'],
  [kind, `${hook}/timeoutSeconds`, 31, 'webhooks[0].timeoutSeconds: is not between 1 and 30'],
  [
    kind,
    `${hook}/clientConfig/url`,
    'https://a.b',
    'webhooks[0].clientConfig: must name one of url and service',
  ],
  [kind, `${hook}/clientConfig`, { url: 'http://a.b' }, 'webhooks[0].clientConfig.url: is no https address'],
  [kind, `${hook}/clientConfig`, { url: 'https://a.b/inject' }],
  [kind, `${hook}/clientConfig/service/port`, 0, 'webhooks[0].clientConfig.service.port: is no port'],
  [
    kind,
    `${hook}/clientConfig/service/path`,
    'inject',
    'webhooks[0].clientConfig.service.path: "inject" is no path',
  ],
  [kind, `${hook}/clientConfig/caBundle`, '?', 'webhooks[0].clientConfig.caBundle: is no byte'],
  [kind, `${hook}/rules/0/operations`, [], 'webhooks[0].rules[0].operations: is required'],
  [
    kind,
    `${hook}/rules/0/operations`,
    ['*', 'CREATE'],
    'webhooks[0].rules[0].operations: has * beside others',
  ],
  [kind, `${hook}/matchConditions/0/name`, 'a b', 'webhooks[0].matchConditions: "a b" is no name'],
  [
    kind,
    `${hook}/matchConditions/0/expression`,
    ' ',
    'webhooks[0].matchConditions: "some" has no expression',
  ],
  [
    kind,
    `${hook}/objectSelector`,
    { matchLabels: { a: '-' } },
    'webhooks[0].objectSelector.matchLabels[a]: "-" is no value',
  ],
]
