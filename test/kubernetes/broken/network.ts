// Services, network policies and disruption budgets that no server takes, and what holds data.
import { long, type Break } from './broken.ts'

export const network: readonly Break[] = [
  ['Service', 'spec', undefined, 'spec: is required'],
  ['Service', 'spec/ports', [], 'spec.ports: are required'],
  [
    'Service',
    'spec',
    { type: 'NodePort', clusterIP: 'None', ports: [{ port: 80 }] },
    'spec.clusterIP: may not be None for type NodePort',
  ],
  ['Service', 'spec/type', 'ExternalName', 'spec.externalName: is no name'],
  ['Service', 'spec/ports/1/name', 'http', 'spec.ports: two are named "http"'],
  ['Service', 'spec/ports/1/name', undefined, 'spec.ports[1].name: is required where there are several'],
  ['Service', 'spec/ports/1/name', 'a.b', 'spec.ports[1].name: "a.b" is no name'],
  ['Service', 'spec/ports/1/port', 80, 'spec.ports: two are TCP 80'],
  [
    'Service',
    'spec/ports/1/targetPort',
    'a_b',
    'spec.ports[1].targetPort: "a_b" is no port and no name of one',
  ],
  ['Service', 'spec/ports/0/port', 0, 'spec.ports[0].port: is no port'],
  ['Service', 'spec/ports/0/nodePort', 30_000, 'spec.ports[0].nodePort: may not be used with ClusterIP'],
  ['Service', 'spec/selector/app', 'a b', 'spec.selector[app]: "a b" is no value'],
  ['NetworkPolicy', 'spec/policyTypes/0', 'In', 'spec.policyTypes[0]: is none of Egress, Ingress'],
  [
    'NetworkPolicy',
    'spec/ingress/0/ports/1/port',
    'a_b',
    'spec.ingress[0].ports[1].port: "a_b" is no port and no name of one',
  ],
  ['NetworkPolicy', 'spec/ingress/0/ports/1/endPort', 80, 'spec.ingress[0].ports[1].endPort: ends no range'],
  ['NetworkPolicy', 'spec/egress/0/ports/0/endPort', 80, 'spec.egress[0].ports[0].endPort: ends no range'],
  ['NetworkPolicy', 'spec/ingress/0/from/0', {}, 'spec.ingress[0] peer 0: must specify a peer'],
  [
    'NetworkPolicy',
    'spec/egress/0/to/0/podSelector',
    {},
    'spec.egress[0] peer 0.ipBlock: may not stand beside a selector',
  ],
  [
    'NetworkPolicy',
    'spec/egress/0/to/0/ipBlock/cidr',
    '10.0.0.0',
    'spec.egress[0] peer 0.ipBlock: "10.0.0.0" is no network',
  ],
  [
    'NetworkPolicy',
    'spec/egress/0/to/0/ipBlock/cidr',
    '10.0.0.0/33',
    'spec.egress[0] peer 0.ipBlock: "10.0.0.0/33" is no network',
  ],
  [
    'NetworkPolicy',
    'spec/podSelector/matchExpressions',
    [{ key: 'a', operator: 'In' }],
    'spec.podSelector.matchExpressions[0].values: are required with In',
  ],
  [
    'NetworkPolicy',
    'spec/podSelector/matchExpressions',
    [{ key: 'a', operator: 'Is' }],
    'spec.podSelector.matchExpressions[0].operator: "Is" is no operator',
  ],
  [
    'NetworkPolicy',
    'spec/podSelector/matchExpressions',
    [{ key: '', operator: 'Exists' }],
    'spec.podSelector.matchExpressions[0].key: "" is no key',
  ],
  [
    'NetworkPolicy',
    'spec/podSelector/matchExpressions',
    [{ key: 'a', operator: 'NotIn', values: [' '] }],
    'spec.podSelector.matchExpressions[0].values: " " is no value',
  ],
  [
    'PodDisruptionBudget',
    'spec/maxUnavailable',
    1,
    'spec: minAvailable and maxUnavailable cannot be both set',
  ],
  ['PodDisruptionBudget', 'spec/minAvailable', '101%', 'spec: "101%" is no number and no percentage'],
  ['PodDisruptionBudget', 'spec/minAvailable', -1, 'spec: "-1" is no number and no percentage'],
]

export const contents: readonly Break[] = [
  ['ConfigMap', 'data/a b', 'x', 'data: "a b" is no key'],
  ['ConfigMap', 'data/b.bin', 'x', 'data: "b.bin" is in binaryData too'],
  ['ConfigMap', 'data', { a: long(2 ** 20) }, `data: has ${2 ** 20 + 4} bytes, more than ${2 ** 20}`],
  ['Secret', 'stringData/tls.key', undefined, 'data[tls.key]: is required by type kubernetes.io/tls'],
  ['Secret', 'stringData/..', 'x', 'data: ".." is no key'],
]
