// What kustomize would print of the files of this project, as objects: `onbehalf install` needs no other program.
import { posix } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { applyPatch } from '../injection/patch.ts'
import type { PodTemplate } from '../injection/pod.ts'
import { readKustomization, type ConfigMapFiles, type ImageTag, type Patch } from './kustomization.ts'

/** Texts by path. */
export type Files = Readonly<Record<string, string>>

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: { readonly template?: PodTemplate }
}

type Objects = readonly KubernetesObject[]

/**
 * The objects of a folder with a kustomization.yaml, in the order in which they stand there.
 * @throws {Error} a file is missing, or asks for more than is understood.
 */
export function render(files: Files, folder: string): Objects {
  return build(files, folder, [])
}

/** @param given what a component works on. */
function build(files: Files, folder: string, given: Objects): Objects {
  const where = posix.join(folder, 'kustomization.yaml')
  const asked = readKustomization(textOf(files, where), where)
  const added = asked.resources.flatMap((name) => readResource(files, posix.join(folder, name)))
  const generated = asked.configMaps.reduce<Objects>(
    (objects, map) => generate(objects, map, files, folder),
    [...given, ...added],
  )
  const completed = asked.components.reduce<Objects>(
    (objects, name) => build(files, posix.join(folder, name), objects),
    generated,
  )
  const patched = asked.patches.reduce((objects, patch) => applyTo(objects, patch, where), completed)
  return patched
    .map((object) => place(object, asked.namespace))
    .map((object) => label(object, asked.labels))
    .map((object) => asked.images.reduce(tag, object))
}

function readResource(files: Files, path: string): Objects {
  if (!path.endsWith('.yaml')) return render(files, path)
  return parseAllDocuments(textOf(files, path)).map((document) => document.toJS() as KubernetesObject)
}

function textOf(files: Files, path: string): string {
  const text = Object.hasOwn(files, path) ? files[path] : undefined
  if (text === undefined) throw new Error(`${path}: there is no such file`)
  return text
}

function generate(objects: Objects, map: ConfigMapFiles, files: Files, folder: string): Objects {
  const { name, namespace, labels, isMerged } = map
  const data = Object.fromEntries(
    map.files.map((entry) => {
      const [file = '', key = posix.basename(file)] = entry.split('=').reverse()
      return [key, textOf(files, posix.join(folder, file))]
    }),
  )
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
  }
  if (!isMerged) return [...objects, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }]
  const index = objects.findIndex((object) => object.kind === 'ConfigMap' && object.metadata.name === name)
  const existing = objects[index]
  if (existing === undefined) throw new Error(`${folder}: there is no ConfigMap ${name} to merge with`)
  return objects.with(index, { ...existing, data: { ...existing.data, ...data } })
}

function applyTo(objects: Objects, { target, operations }: Patch, where: string): Objects {
  const isMeant = ({ kind, metadata }: KubernetesObject) =>
    kind === target.kind && (target.name === undefined || metadata.name === target.name)
  if (!objects.some(isMeant))
    throw new Error(`${where}: patches: there is no ${target.kind} ${target.name ?? ''}`)
  return objects.map((object) => (isMeant(object) ? applyPatch(object, operations) : object))
}

const withoutNamespace: ReadonlySet<string> = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'MutatingWebhookConfiguration',
])

function place(object: KubernetesObject, namespace: string | undefined): KubernetesObject {
  if (namespace === undefined || withoutNamespace.has(object.kind)) return object
  return { ...object, metadata: { ...object.metadata, namespace } }
}

function label(object: KubernetesObject, labels: Readonly<Record<string, string>>): KubernetesObject {
  if (Object.keys(labels).length === 0) return object
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } }
}

function tag(object: KubernetesObject, { name, newTag }: ImageTag): KubernetesObject {
  const pod = object.spec?.template?.spec
  if (pod === undefined) return object
  const path = '/spec/template/spec'
  const operations = (['initContainers', 'containers'] as const).flatMap((key) =>
    (pod[key] ?? []).flatMap(({ image }, i) =>
      image === name
        ? [{ op: 'replace' as const, path: `${path}/${key}/${i}/image`, value: `${name}:${newTag}` }]
        : [],
    ),
  )
  return applyPatch(object, operations)
}
