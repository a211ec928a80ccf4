// What an API server would take: each rule on an object that breaks it alone, and none on those that break nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { access, webhooks } from './broken/access.ts'
import { long, type Break } from './broken/broken.ts'
import { contents, network } from './broken/network.ts'
import { ownKinds } from './broken/own-kinds.ts'
import { pods } from './broken/pods.ts'
import { metadata, structure } from './broken/structure.ts'
import { workloads } from './broken/workloads.ts'
import { changed, good, goodKinds } from './good-objects.ts'
import { isEnvironmentName, isQualifiedName, parseQuantity } from './rules/text.ts'
import { validateObject } from './schemas.ts'

for (const kind of goodKinds) {
  test(`a good ${kind} has no problems`, () => {
    assert.deepEqual(validateObject(good(kind)), [])
  })
}

const breaks: readonly Break[] = [
  ...structure,
  ...metadata,
  ...pods,
  ...workloads,
  ...network,
  ...contents,
  ...access,
  ...webhooks,
  ...ownKinds,
]

for (const [kind, path, value, problem] of breaks) {
  const what = `${path} as ${JSON.stringify(value ?? null).slice(0, 60)}`
  test(`a ${kind} is ${problem === undefined ? 'taken' : 'refused'} with ${what}`, () => {
    const expected = problem === undefined ? [] : [problem]
    assert.deepEqual(validateObject(changed(good(kind), path, value)), expected)
  })
}

test('what is no object is refused', () => {
  assert.deepEqual([validateObject(null), validateObject([])], [['is no object'], ['is no object']])
})

test('a review with neither a request nor a response is refused', () => {
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }
  assert.deepEqual(validateObject(review), ['has no request and no response'])
})

test('two webhooks of one name are refused', () => {
  const one = good('MutatingWebhookConfiguration')
  const [webhook] = one['webhooks'] as readonly object[]
  assert.deepEqual(validateObject({ ...one, webhooks: [webhook, webhook] }), [
    'webhooks: two are named "inject.onbehalf.dev"',
  ])
})

test('a field that is null is one that is not there', () => {
  assert.deepEqual(
    validateObject(changed(good('Deployment'), 'spec/template/spec/containers/0/livenessProbe', null)),
    [],
  )
})

test('quantities are compared by what they are worth', () => {
  const same = ['1', 1, '1000m', '1e0', '0.001k', '1.', '+1', '1E0', '1000000u']
  assert.deepEqual([...new Set(same.map(parseQuantity))], [1_000_000_000n])
  assert.equal(parseQuantity('1Ki'), 1_024_000_000_000n)
  assert.equal(parseQuantity('0.5Ei'), 2n ** 59n * 10n ** 9n)
  assert.equal(parseQuantity('-.5n'), -1n)
})

test('what is no quantity is none', () => {
  const wrong = ['', '.', '1e-3k', '1 Mi', '1ki', '1MB', '0x1', '1e', 'Mi', '1e999']
  assert.deepEqual(
    wrong.filter((text) => parseQuantity(text) !== undefined),
    [],
  )
})

test('keys and variables are told from what only looks like them', () => {
  const keys = [
    'a',
    'A.b_c-d',
    'example.com/a',
    '/a',
    'a/',
    'a/b/c',
    'Example.com/a',
    '-a',
    long(63),
    long(64),
  ]
  assert.deepEqual(keys.filter(isQualifiedName), ['a', 'A.b_c-d', 'example.com/a', long(63)])
  const variables = ['A', '_a.b-c', '.a', '.', '..a', '1', 'a=b', 'a b', '']
  assert.deepEqual(variables.filter(isEnvironmentName), ['A', '_a.b-c', '.a'])
})
