// The part of a kustomization.yaml that is understood: what else stands in one is an error, never passed over.
import type { Operation } from '../injection/patch.ts'
import { parse } from 'yaml'

export interface Kustomization {
  readonly kind: 'Kustomization' | 'Component'
  /** Set in all objects that belong in one. */
  readonly namespace?: string
  readonly resources: readonly string[]
  readonly components: readonly string[]
  readonly labels: Labels
  readonly images: readonly ImageTag[]
  readonly patches: readonly Patch[]
  readonly configMaps: readonly ConfigMapFiles[]
}

export interface ImageTag {
  readonly name: string
  readonly newTag: string
}

export interface Patch {
  readonly target: { readonly kind: string; readonly name?: string }
  readonly operations: readonly Operation[]
}

export interface ConfigMapFiles {
  readonly name: string
  readonly namespace?: string
  /** Whether it adds to one that is there. */
  readonly isMerged: boolean
  /** `file`, or `key=file`. */
  readonly files: readonly string[]
  readonly labels?: Labels
}

type Fields = Readonly<Record<string, unknown>>
export type Labels = Readonly<Record<string, string>>

/** @param where the file, for what is wrong with it. @throws {Error} it asks for more than is understood. */
export function readKustomization(text: string, where: string): Kustomization {
  const given = parse(text) as Fields
  only(given, topKeys, where)
  const { kind, namespace, generatorOptions } = given
  if (kind !== 'Kustomization' && kind !== 'Component') throw new Error(`${where}: kind: is not understood`)
  only(generatorOptions, ['disableNameSuffixHash'], `${where}: generatorOptions`)
  const isPlainlyNamed = isTrue(generatorOptions)
  return {
    kind,
    ...(namespace === undefined ? {} : { namespace: namespace as string }),
    resources: texts(given['resources']),
    components: texts(given['components']),
    labels: Object.assign({}, ...entries(given['labels']).map((each) => readLabels(each, where))) as Labels,
    images: entries(given['images']).map((image) => {
      only(image, ['name', 'newTag'], `${where}: images`)
      return image as unknown as ImageTag
    }),
    patches: entries(given['patches']).map((patch) => readPatch(patch, where)),
    configMaps: entries(given['configMapGenerator']).map((each) =>
      readConfigMap(each, isPlainlyNamed, where),
    ),
  }
}

const topKeys = [
  'apiVersion',
  'kind',
  'namespace',
  'resources',
  'components',
  'labels',
  'images',
  'patches',
  'configMapGenerator',
  'generatorOptions',
]

function readLabels(given: Fields, where: string): unknown {
  only(given, ['pairs'], `${where}: labels`)
  return given['pairs']
}

/** JSON patches (RFC 6902) that add or replace. */
function readPatch(given: Fields, where: string): Patch {
  only(given, ['target', 'patch'], `${where}: patches`)
  only(given['target'], ['kind', 'name'], `${where}: patches: target`)
  const operations: unknown = parse(given['patch'] as string)
  if (!Array.isArray(operations))
    throw new Error(`${where}: patches: only lists of operations are understood`)
  for (const { op } of operations as readonly Operation[])
    if (op !== 'add' && op !== 'replace')
      throw new Error(`${where}: patches: op: "${String(op)}" is not understood`)
  return { target: given['target'] as Patch['target'], operations: operations as readonly Operation[] }
}

/** A name with a hash behind it would have to be changed wherever it is used. */
function readConfigMap(given: Fields, isPlainlyNamed: boolean, where: string): ConfigMapFiles {
  const place = `${where}: configMapGenerator`
  only(given, ['name', 'namespace', 'behavior', 'files', 'options'], place)
  const { behavior, name, namespace } = given
  const options = (given['options'] ?? {}) as Fields
  only(options, ['disableNameSuffixHash', 'labels'], `${place}: options`)
  if (behavior !== undefined && behavior !== 'merge') throw new Error(`${place}: behavior: is not understood`)
  const isMerged = behavior === 'merge'
  if (!isMerged && !isPlainlyNamed && !isTrue(options))
    throw new Error(`${place}: only disableNameSuffixHash: true is understood`)
  const { labels } = options as { labels?: Labels }
  return {
    name: String(name),
    ...(namespace === undefined ? {} : { namespace: namespace as string }),
    isMerged,
    files: texts(given['files']),
    ...(labels === undefined ? {} : { labels }),
  }
}

function isTrue(options: unknown): boolean {
  return (options as Fields | undefined)?.['disableNameSuffixHash'] === true
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function entries(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as readonly Fields[]) : []
}

/** @throws {Error} */
function only(given: unknown, known: readonly string[], where: string): void {
  const strange = Object.keys((given ?? {}) as Fields).find((key) => !known.includes(key))
  if (strange !== undefined) throw new Error(`${where}: ${strange}: is not understood`)
}
