// The part of kustomize that is understood: what else stands in a kustomization.yaml is refused, never passed over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { render } from '../../deploy/kubernetes/install/kustomize.ts'

const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\n'
const head = 'kind: Kustomization\nresources: [web.yaml]\n'
const rendered = (text: string, more: Readonly<Record<string, string>> = {}) =>
  render({ 'a/kustomization.yaml': text, 'a/web.yaml': service, ...more }, 'a')

test('a namespace is set where objects have one, and nowhere else', () => {
  const text = 'kind: Namespace\nmetadata: {name: shop}\n---\nkind: ClusterRole\nmetadata: {name: web}\n'
  const objects = rendered(`${head.replace(']', ', more.yaml]')}namespace: shop\n`, { 'a/more.yaml': text })
  assert.deepEqual(
    objects.map(({ metadata }) => metadata.namespace),
    ['shop', undefined, undefined],
  )
})

test('a component changes what stands beside it', () => {
  const component = `kind: Component\nlabels: [{pairs: {a: b}}]\n`
  const objects = rendered(`${head}components: [../c]\n`, { 'c/kustomization.yaml': component })
  assert.deepEqual(objects[0]?.metadata, { name: 'web', labels: { a: 'b' } })
})

const refused: readonly (readonly [string, string, RegExp])[] = [
  ['a transformer', `${head}namePrefix: a-\n`, /a\/kustomization\.yaml: namePrefix: is not understood/],
  ['another kind', 'kind: Service\n', /kind: is not understood/],
  ['labels in selectors', `${head}labels: [{pairs: {a: b}, includeSelectors: true}]\n`, /includeSelectors/],
  ['a digest', `${head}images: [{name: a, digest: b}]\n`, /images: digest: is not understood/],
  ['a patch in a file', `${head}patches: [{path: patch.yaml}]\n`, /patches: path: is not understood/],
  [
    'a strategic merge',
    `${head}patches: [{target: {kind: Service}, patch: "kind: Service"}]\n`,
    /only lists of operations/,
  ],
  [
    'an operation that takes away',
    `${head}patches: [{target: {kind: Service}, patch: "[{op: remove, path: /a}]"}]\n`,
    /op: "remove" is not understood/,
  ],
  [
    'a patch of what is not there',
    `${head}patches: [{target: {kind: Pod, name: x}, patch: "[]"}]\n`,
    /there is no Pod x/,
  ],
  [
    'a selector by labels',
    `${head}patches: [{target: {kind: Service, labelSelector: a}, patch: "[]"}]\n`,
    /target: labelSelector: is not understood/,
  ],
  ['a ConfigMap with a hash', `${head}configMapGenerator: [{name: m}]\n`, /only disableNameSuffixHash: true/],
  [
    'a ConfigMap of literals',
    `${head}configMapGenerator: [{name: m, literals: [a=b]}]\n`,
    /literals: is not understood/,
  ],
  [
    'a merge with nothing',
    `${head}configMapGenerator: [{name: m, behavior: merge, files: [web.yaml]}]\n`,
    /there is no ConfigMap m to merge with/,
  ],
  [
    'a file that is missing',
    'kind: Kustomization\nresources: [none.yaml]\n',
    /a\/none\.yaml: there is no such/,
  ],
  [
    'a folder that is missing',
    'kind: Kustomization\nresources: [../b]\n',
    /b\/kustomization\.yaml: there is no/,
  ],
]
for (const [what, text, why] of refused)
  test(`refused: ${what}`, () => {
    assert.throws(() => rendered(text), { message: why })
  })
