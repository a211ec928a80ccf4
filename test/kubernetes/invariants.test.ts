// What an injection may touch: each change beyond it is found, each that is allowed is not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { touched } from './invariants.ts'

const probe = { httpGet: { path: '/', port: 80 }, periodSeconds: 3 }
const asked = { httpGet: { path: '/app-probes/a/readiness', port: 15_021 }, periodSeconds: 3 }
const hold = { httpGet: { path: '/drained', port: 15_021 } }
const container = {
  name: 'a',
  image: 'a:1',
  env: [
    { name: 'A', value: '1' },
    { name: 'NODE_OPTIONS', value: '-x' },
  ],
  volumeMounts: [{ name: 'v', mountPath: '/v' }],
  readinessProbe: probe,
  lifecycle: { postStart: { exec: { command: ['true'] } } },
}
const pod = {
  metadata: { name: 'p', labels: { a: 'b' } },
  spec: {
    containers: [container, { name: 'b' }],
    initContainers: [{ name: 'i' }],
    volumes: [{ name: 'v' }],
    nodeSelector: { a: 'b' },
  },
}
const withFirst = (more: object) => ({
  ...pod,
  spec: { ...pod.spec, containers: [{ ...container, ...more }, { name: 'b' }] },
})
const withSpec = (more: object) => ({ ...pod, spec: { ...pod.spec, ...more } })

const allowed: Readonly<Record<string, object>> = {
  nothing: pod,
  'labels and annotations': {
    ...pod,
    metadata: { ...pod.metadata, labels: { a: 'b', c: 'd' }, annotations: { e: 'f' } },
  },
  'the sidecar and the redirection': withSpec({
    initContainers: [{ name: 'onbehalf-redirect' }, { name: 'onbehalf' }, { name: 'i' }],
  }),
  'a classic sidecar': withSpec({ containers: [{ name: 'onbehalf' }, ...pod.spec.containers] }),
  'volumes behind the others': withSpec({ volumes: [{ name: 'v' }, { name: 'onbehalf-mesh' }] }),
  'a probe by way of the sidecar': withFirst({ readinessProbe: asked }),
  'variables and mounts behind the others': withFirst({
    env: [...container.env, { name: 'HTTP_PROXY', value: 'x' }],
    volumeMounts: [...container.volumeMounts, { name: 'p', mountPath: '/p' }],
  }),
  'NODE_OPTIONS that grew': withFirst({
    env: [
      { name: 'A', value: '1' },
      { name: 'NODE_OPTIONS', value: '-x --require=y' },
    ],
  }),
  'a wait for the drain': withFirst({ lifecycle: { ...container.lifecycle, preStop: hold } }),
}
for (const [name, after] of Object.entries(allowed))
  test(`allowed: ${name}`, () => assert.deepEqual(touched(pod, after), []))

const forbidden: Readonly<Record<string, readonly [object, RegExp]>> = {
  'another image': [withFirst({ image: 'a:2' }), /containers\[0\]\.image/],
  'a container more': [
    withSpec({ containers: [...pod.spec.containers, { name: 'c' }] }),
    /containers: 2 became 3/,
  ],
  'a container less': [withSpec({ containers: [container] }), /containers: 2 became 1/],
  'containers in another order': [
    withSpec({ containers: pod.spec.containers.toReversed() }),
    /containers\[0\]/,
  ],
  'an init container that is another': [
    withSpec({ initContainers: [{ name: 'i', image: 'x' }] }),
    /initContainers\[0\]/,
  ],
  'another field of the spec': [withSpec({ nodeSelector: {} }), /spec\.nodeSelector/],
  'a field of the spec more': [withSpec({ hostNetwork: true }), /spec\.hostNetwork/],
  'a volume that is another': [withSpec({ volumes: [{ name: 'v', emptyDir: {} }] }), /spec\.volumes/],
  'a label that is another': [{ ...pod, metadata: { ...pod.metadata, labels: { a: 'c' } } }, /labels\.a/],
  'another name': [{ ...pod, metadata: { ...pod.metadata, name: 'q' } }, /metadata\.name/],
  'a variable that is another': [withFirst({ env: [{ name: 'A', value: '2' }, container.env[1]] }), /env/],
  'a variable before the others': [withFirst({ env: [{ name: 'B' }, ...container.env] }), /env/],
  'NODE_OPTIONS that lost something': [
    withFirst({ env: [container.env[0], { name: 'NODE_OPTIONS', value: '--require=y' }] }),
    /NODE_OPTIONS/,
  ],
  'a mount that is gone': [withFirst({ volumeMounts: [] }), /volumeMounts/],
  'a probe that asks elsewhere': [
    withFirst({ readinessProbe: { ...probe, httpGet: { path: '/x', port: 80 } } }),
    /readinessProbe/,
  ],
  'a probe that asks more often': [
    withFirst({ readinessProbe: { ...asked, periodSeconds: 1 } }),
    /periodSeconds/,
  ],
  'a probe that is gone': [withFirst({ readinessProbe: undefined }), /readinessProbe/],
  'a probe that is new': [withFirst({ livenessProbe: asked }), /livenessProbe/],
  'a hook that is another': [
    withFirst({ lifecycle: { postStart: { exec: { command: ['false'] } } } }),
    /postStart/,
  ],
  'another hook before the end': [
    withFirst({ lifecycle: { ...container.lifecycle, preStop: { sleep: { seconds: 1 } } } }),
    /preStop/,
  ],
}
for (const [name, [after, why]] of Object.entries(forbidden))
  test(`found: ${name}`, () => assert.match(touched(pod, after).join('\n'), why))
