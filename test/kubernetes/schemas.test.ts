// What an API server would not take is found: unknown fields, wrong types, and the rules that no schema holds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateObject } from './schemas.ts'

const container = { name: 'a', image: 'a:1' }
const pod = (spec: object, metadata: object = { name: 'p' }) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata,
  spec: { containers: [container], ...spec },
})
const first = (more: object) => pod({ containers: [{ ...container, ...more }] })
const deployment = (more: object) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } },
    ...more,
  },
})

test('what is good is taken', () => {
  const objects = [pod({}), deployment({}), { apiVersion: 'v1', kind: 'List', items: [pod({})] }]
  assert.deepEqual(objects.flatMap(validateObject), [])
})

const bad: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'no object': [1, /no object/],
  'no kind': [{ apiVersion: 'v1' }, /kind: is required/],
  'a kind that there is not': [{ apiVersion: 'v1', kind: 'Pot' }, /has no Pot/],
  'no name': [pod({}, {}), /name/],
  'a name with capitals': [pod({}, { name: 'P' }), /metadata\.name/],
  'a field that there is not': [first({ restartPolice: 'Always' }), /restartPolice: is no field/],
  'a field that there is not, deep': [
    first({ securityContext: { capabilities: { dropp: [] } } }),
    /dropp: is no field/,
  ],
  'a wrong type': [first({ args: 'run' }), /args/],
  'a required field that is missing': [pod({ containers: [{}] }), /name/],
  'a name twice': [pod({ containers: [container, container] }), /a/],
  'a name twice, over both lists': [pod({ initContainers: [container] }), /a/],
  'a port name that is too long': [
    first({ ports: [{ name: 'a-very-long-name', containerPort: 1 }] }),
    /ports\[0\]/,
  ],
  'a port name twice': [
    first({
      ports: [
        { name: 'x', containerPort: 1 },
        { name: 'x', containerPort: 2 },
      ],
    }),
    /ports/,
  ],
  'a port that is none': [first({ ports: [{ containerPort: 70_000 }] }), /ports\[0\]/],
  'a mount of no volume': [
    first({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    /there is no volume "v"/,
  ],
  'a volume twice': [
    pod({
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'v', emptyDir: {} },
      ],
    }),
    /volumes/,
  ],
  'a variable without a name': [first({ env: [{ name: '', value: 'x' }] }), /env\[0\]/],
  'a probe with two handlers': [
    first({ livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } }),
    /livenessProbe/,
  ],
  'a probe of a port that is not declared': [
    first({ livenessProbe: { tcpSocket: { port: 'web' } } }),
    /livenessProbe/,
  ],
  'a probe in an init container that ends': [
    pod({ initContainers: [{ ...container, name: 'i', readinessProbe: { tcpSocket: { port: 1 } } }] }),
    /initContainers\[0\]/,
  ],
  'more asked for than allowed': [
    first({ resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } }),
    /resources/,
  ],
  'a quantity that is none': [first({ resources: { limits: { memory: '1GB' } } }), /resources/],
  'root where no root may be': [first({ securityContext: { runAsNonRoot: true, runAsUser: 0 } }), /runAs/],
  'an annotation that is no text': [pod({}, { name: 'p', annotations: { a: 1 } }), /annotations/],
  'a selector that selects others': [
    deployment({ selector: { matchLabels: { a: 'c' } } }),
    /selector|labels/,
  ],
  'a Job that is restarted always': [
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'j' },
      spec: { template: { spec: { containers: [container], restartPolicy: 'Always' } } },
    },
    /restartPolicy/,
  ],
  'a wrong item of a List': [{ apiVersion: 'v1', kind: 'List', items: [first({ x: 1 })] }, /items\[0\]/],
}
for (const [name, [object, why]] of Object.entries(bad))
  test(`not taken: ${name}`, () => assert.match(validateObject(object).join('\n'), why))
