// The test of the tests: the stand-in for an API server takes no answer that a real one would not take.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { dnsName, leafExtensions, makeLeaf, makeRoot, subjectAltName } from '../support/certificates.ts'
import { Admission, Rejection, type Admitted, type Webhook } from './admission.ts'
import { configuration, host, podOf, shop } from './injector-ground.ts'
import { applyJsonPatch } from './json-patch.ts'

const untilMs = Date.now() + 3_600_000
const root = makeRoot({ notAfterMs: untilMs })
const serving = (name: string) => {
  const extensions = leafExtensions('', subjectAltName(dnsName(name)))
  const { pem: cert, keyPem: key } = makeLeaf(root, '', { notAfterMs: untilMs, extensions })
  return { cert, key }
}

const sound = (uid: string) => ({ uid, allowed: true })
const whole = (response: object) => ({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response })
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
const patched = (uid: string, patch: unknown, patchType: string | undefined = 'JSONPatch') =>
  whole({ ...sound(uid), patch: base64(patch), patchType })

/** Undefined: no answer at all. */
type Answering = (uid: string) => object | undefined

async function create(
  t: TestContext,
  answer: Answering,
  { name = host, status = 200, ...more }: Partial<Webhook> & { name?: string; status?: number } = {},
): Promise<Admitted> {
  const server = createServer(serving(name), (request, response) => {
    void json(request).then((review) => {
      const answered = answer((review as { request: { uid: string } }).request.uid)
      if (answered !== undefined) response.writeHead(status).end(JSON.stringify(answered))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const [webhook] = configuration.webhooks as [Webhook]
  const clientConfig = { ...webhook.clientConfig, caBundle: Buffer.from(root.pem).toString('base64') }
  const { port } = server.address() as AddressInfo
  const admission = new Admission(t, {
    webhooks: () => [{ ...webhook, clientConfig, ...more }],
    endpoints: () => [port],
  })
  return admission.create({ pod: podOf(), ...shop })
}

test('a sound answer is taken', async (t) => {
  const label = [{ op: 'add', path: '/metadata/labels/a', value: 'b' }]
  const { pod } = await create(t, (uid) => patched(uid, label))
  assert.equal(pod.metadata.labels?.['a'], 'b')
})

const unsound: readonly (readonly [string, Answering, object?])[] = [
  ['another uid', () => whole(sound('other'))],
  ['another version', (uid) => ({ ...whole(sound(uid)), apiVersion: 'admission.k8s.io/v1beta1' })],
  ['another kind', (uid) => ({ ...whole(sound(uid)), kind: 'Pod' })],
  ['no response', () => ({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' })],
  ['a patch of another type', (uid) => patched(uid, [], 'MergePatch')],
  ['a patch without a type', (uid) => whole({ ...sound(uid), patch: base64([]) })],
  ['a type without a patch', (uid) => whole({ ...sound(uid), patchType: 'JSONPatch' })],
  ['a patch that is not encoded', (uid) => whole({ ...sound(uid), patch: '[{}]', patchType: 'JSONPatch' })],
  ['a patch that does not fit', (uid) => patched(uid, [{ op: 'remove', path: '/spec/volumes/0' }])],
  ['another status', (uid) => whole(sound(uid)), { status: 201 }],
  ['no answer in time', () => undefined, { timeoutSeconds: 0.2 }],
  ['a certificate of another name', (uid) => whole(sound(uid)), { name: 'other.onbehalf-system.svc' }],
]
for (const [what, answer, more] of unsound)
  test(`${what} lets no pod in, by failurePolicy Fail`, async (t) => {
    await assert.rejects(create(t, answer, more), (error) => {
      assert.ok(error instanceof Rejection, String(error))
      assert.match(error.message, /^failed calling webhook "[^"]+": ./)
      return true
    })
  })

test('one that patches again what it has patched is found out', async (t) => {
  const more = [{ op: 'add', path: '/spec/containers/-', value: { name: 'one more' } }]
  await assert.rejects(
    create(t, (uid) => patched(uid, more)),
    /changes again what it has changed/,
  )
})

const document = { a: [1, 2, { b: 'c' }], 'd/e': { 'f~g': null } }
const fits: readonly (readonly [object, unknown])[] = [
  [
    { op: 'add', path: '/a/1', value: 9 },
    { ...document, a: [1, 9, 2, { b: 'c' }] },
  ],
  [
    { op: 'add', path: '/a/-', value: 9 },
    { ...document, a: [1, 2, { b: 'c' }, 9] },
  ],
  [
    { op: 'add', path: '/d~1e/f~0g', value: 1 },
    { ...document, 'd/e': { 'f~g': 1 } },
  ],
  [{ op: 'add', path: '', value: 1 }, 1],
  [
    { op: 'remove', path: '/a/0' },
    { ...document, a: [2, { b: 'c' }] },
  ],
  [
    { op: 'replace', path: '/a/2/b', value: 0 },
    { ...document, a: [1, 2, { b: 0 }] },
  ],
  [{ op: 'move', from: '/a', path: '/d~1e/a' }, { 'd/e': { 'f~g': null, a: document.a } }],
  [
    { op: 'copy', from: '/a/2', path: '/a/0' },
    { ...document, a: [{ b: 'c' }, 1, 2, { b: 'c' }] },
  ],
  [{ op: 'test', path: '/a/2', value: { b: 'c' } }, document],
]
for (const [operation, result] of fits)
  test(`a patch that fits: ${JSON.stringify(operation)}`, () => {
    assert.deepEqual(applyJsonPatch(document, [operation]), result)
  })

const unfit: readonly object[] = [
  { op: 'add', path: '/a/4', value: 1 },
  { op: 'add', path: '/a/01', value: 1 },
  { op: 'add', path: '/x/y', value: 1 },
  { op: 'add', path: '/a/0' },
  { op: 'add', path: 'a', value: 1 },
  { op: 'add', path: '/d~2e', value: 1 },
  { op: 'remove', path: '/a/-' },
  { op: 'remove', path: '/x' },
  { op: 'replace', path: '/x', value: 1 },
  { op: 'move', from: '/a', path: '/a/2/b' },
  { op: 'copy', from: '/x', path: '/y' },
  { op: 'test', path: '/a/0', value: 2 },
  { op: 'merge', path: '/a', value: 1 },
]
for (const operation of unfit)
  test(`a patch that does not fit: ${JSON.stringify(operation)}`, () => {
    assert.throws(() => applyJsonPatch(document, [operation]), Error)
  })
