// What is installed: the chosen overlays, in the namespace and with the images that were asked for.
import { applyPatch, type Operation } from '../injection/patch.ts'
import { render, type Files, type KubernetesObject } from './kustomize.ts'

/** Where the injector's certificate comes from: one of them. */
export const certificateOverlays = ['own-certificates', 'cert-manager'] as const
/** Beside it. */
export const furtherOverlays = ['monitoring', 'redis-trial'] as const
export type Overlay = (typeof certificateOverlays | typeof furtherOverlays)[number]

/** The namespace in the files. */
export const defaultNamespace = 'onbehalf-system'

export interface Installation {
  readonly overlays: readonly Overlay[]
  readonly namespace: string
  /** Of the injector itself; undefined: the one in the files. */
  readonly image: string | undefined
  /** How it injects: further arguments of the injector. */
  readonly injectorArguments: readonly string[]
}

export function installation(files: Files, asked: Installation): readonly KubernetesObject[] {
  return asked.overlays
    .flatMap((overlay) => render(files, `kubernetes/overlays/${overlay}`))
    .map((object) => adjust(object, asked))
    .map((object) => rename(object, asked.namespace))
}

function adjust(object: KubernetesObject, { image, injectorArguments }: Installation): KubernetesObject {
  if (object.kind !== 'Deployment' || object.metadata.name !== 'onbehalf-injector') return object
  const at = '/spec/template/spec/containers/0'
  const operations: Operation[] = injectorArguments.map((value) => ({
    op: 'add',
    path: `${at}/args/-`,
    value,
  }))
  if (image !== undefined) operations.push({ op: 'replace', path: `${at}/image`, value: image })
  return applyPatch(object, operations)
}

/** It stands in host names, selectors and references to other objects, too. */
const mentions = new RegExp(String.raw`(?<![\w-])${defaultNamespace}(?![\w-])`, 'g')

function rename<T>(value: T, namespace: string): T {
  if (namespace === defaultNamespace) return value
  if (typeof value === 'string') return value.replaceAll(mentions, namespace) as T
  if (Array.isArray(value)) return value.map((each: unknown) => rename(each, namespace)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, rename(each as unknown, namespace)]),
  ) as T
}
