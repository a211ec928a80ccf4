// Objects with other fields, types or names than their kind has.
import { long, type Break } from './broken.ts'

const app = 'spec/template/spec/containers/0'

export const structure: readonly Break[] = [
  ['Deployment', 'kind', 'Deploymnt', 'kind: apps/v1 has no Deploymnt'],
  ['Deployment', 'kind', 'DeploymentSpec', 'kind: apps/v1 has no DeploymentSpec'],
  ['Deployment', 'apiVersion', 'extensions', 'kind: extensions has no Deployment'],
  ['Deployment', 'apiVersion', undefined, 'apiVersion: is required'],
  ['Deployment', 'kind', 7, 'kind: is required'],
  ['Deployment', 'replicas', 2, 'replicas: is no field'],
  ['Deployment', 'spec/template/spec/replicas', 2, 'spec.template.spec.replicas: is no field'],
  ['Deployment', `${app}/livenesProbe`, {}, 'spec.template.spec.containers[0].livenesProbe: is no field'],
  ['Deployment', `${app}/name`, undefined, 'spec.template.spec.containers[0].name: is required'],
  ['Deployment', `${app}/env/0/value`, 1, 'spec.template.spec.containers[0].env[0].value: is no string'],
  [
    'Deployment',
    `${app}/imagePullPolicy`,
    'Sometimes',
    'spec.template.spec.containers[0].imagePullPolicy: is none of Always, IfNotPresent, Never',
  ],
  ['Deployment', 'spec/replicas', 2 ** 40, 'spec.replicas: is no int32'],
  [
    'Deployment',
    `${app}/readinessProbe/httpGet/port`,
    true,
    'spec.template.spec.containers[0].readinessProbe.httpGet.port: has another form (oneOf)',
  ],
  ['Lease', 'spec/holder', 'a', 'spec.holder: is no field'],
  ['Secret', 'data', { 'tls.crt': '?' }, 'data.tls.crt: is no byte'],
  ['List', 'spec', {}, 'spec: is no field'],
  ['List', 'items', undefined, 'items: are required'],
  ['List', 'items/0/metadata/labels', { a: 1 }, 'items[0].metadata.labels.a: is no string'],
  ['Certificate', 'spec/secretname', 'a', 'spec.secretname: is no field'],
  ['Certificate', 'spec/secretName', undefined, 'spec.secretName: is required'],
]

export const metadata: readonly Break[] = [
  ['Pod', 'metadata', {}, 'metadata.name: is required'],
  ['Pod', 'metadata', null, 'metadata.name: is required'],
  ['Deployment', 'metadata/name', 'Orders', 'metadata.name: "Orders" is no name of a Deployment'],
  ['Service', 'metadata/name', '9lives', 'metadata.name: "9lives" is no name of a Service'],
  ['StatefulSet', 'metadata/name', long(64), `metadata.name: "${long(64)}" is no name of a StatefulSet`],
  ['Job', 'metadata/name', long(64), `metadata.name: "${long(64)}" is no name of a Job`],
  ['CronJob', 'metadata/name', long(53), `metadata.name: "${long(53)}" is no name of a CronJob`],
  ['Role', 'metadata/name', 'a/b', 'metadata.name: "a/b" is no name of a Role'],
  ['ClusterRole', 'metadata/namespace', 'shop', 'metadata.namespace: a ClusterRole has none'],
  ['Deployment', 'metadata/namespace', 'a.b', 'metadata.namespace: "a.b" is no name of a Namespace'],
  ['Deployment', 'metadata/labels/-a', 'x', 'metadata.labels: "-a" is no key'],
  ['Deployment', 'metadata/labels/a', 'x y', 'metadata.labels[a]: "x y" is no value'],
  [
    'Deployment',
    'spec/template/metadata/annotations/a b',
    'x',
    'spec.template.metadata.annotations: "a b" is no key',
  ],
  [
    'Certificate',
    'metadata/annotations',
    { a: long(256 * 1024) },
    `metadata.annotations: have ${256 * 1024 + 1} bytes, more than ${256 * 1024}`,
  ],
]
