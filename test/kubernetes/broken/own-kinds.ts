// Custom resources, kustomizations and admission reviews that nobody takes.
import type { Break } from './broken.ts'

export const ownKinds: readonly Break[] = [
  ['Certificate', 'spec/duration', '1d', 'spec.duration: is no duration such as 24h'],
  ['Certificate', 'spec/uris', [], 'spec: names nobody: commonName, dnsNames, uris or ipAddresses'],
  ['Certificate', 'spec/privateKey/size', 2048, 'spec.privateKey: size is none of the algorithm'],
  ['Issuer', 'spec/ca', { secretName: 'a' }, 'spec: must be of one type'],
  ['PrometheusRule', 'spec/groups/1', { name: 'orders' }, 'spec: two groups of one name'],
  [
    'PrometheusRule',
    'spec/groups/0/rules/0/alert',
    'A',
    'spec.groups[0].rules[0]: is one of record and alert',
  ],
  [
    'PrometheusRule',
    'spec/groups/0/rules/1/for',
    '5 minutes',
    'spec.groups[0].rules[1].for: is no duration such as 5m',
  ],
  [
    'PrometheusRule',
    'spec/groups/0/rules/0/record',
    'a-b',
    'spec.groups[0].rules[0].record: is no name of a metric',
  ],
  [
    'PodMonitor',
    'spec/podMetricsEndpoints/0/portName',
    'a',
    'spec.podMetricsEndpoints[0].portName: is no field',
  ],
  ['Kustomization', 'bases', ['a'], 'bases: is no field'],
  ['Kustomization', 'resources/0', '', 'resources[0]: is empty'],
  ['AdmissionReview', 'response/uid', '2', 'response.uid is not request.uid'],
  ['AdmissionReview', 'response/patchType', undefined, 'patch and patchType stand only together'],
  ['AdmissionReview', 'response/patch', '[]', 'response.patch: is no JSON patch'],
  [
    'AdmissionReview',
    'response/patch',
    Buffer.from('{').toString('base64'),
    'response.patch: is no JSON patch',
  ],
  [
    'AdmissionReview',
    'response/patch',
    Buffer.from('[{"op":"put","path":"/"}]').toString('base64'),
    'response.patch: is no JSON patch',
  ],
  ['AdmissionReview', 'response/result', {}, 'response.result: is no field'],
  ['AdmissionReview', 'request/uid', undefined, 'request.uid: is required'],
]
