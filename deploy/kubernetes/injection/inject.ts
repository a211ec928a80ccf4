// The whole decision: a pod and the settings in, a JSON patch or the reasons against it out. Pure.
import { append } from './app-containers.ts'
import { readAnnotations } from './annotations.ts'
import { faultsOfForm } from './form.ts'
import { injectedKey, prefix, sidecarName } from './names.ts'
import { pointer, type Operation } from './patch.ts'
import { makePlan, type Plan } from './plan.ts'
import type { Metadata, PodTemplate } from './pod.ts'
import { reasonsAgainst, warningsAbout } from './refusals.ts'
import type { Settings } from './settings.ts'

export type Injection =
  /** The paths begin at the pod: `/metadata`, `/spec`. Applied in order. */
  | {
      readonly kind: 'injected'
      readonly operations: readonly Operation[]
      readonly warnings: readonly string[]
    }
  /** There is nothing to do, for this reason. */
  | { readonly kind: 'unchanged'; readonly why: string }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }

/** More than any pod runs: each is several operations of the patch. */
const maxContainers = 1_000

/** A label says what the annotation of that name says: by labels alone can webhooks select. The annotation is over it. */
export function isAskedFor({ metadata }: PodTemplate): boolean {
  return metadata?.labels?.[`${prefix}inject`] !== 'false'
}

/** @param isAsked whether a pod is injected that does not say so itself. */
export function injectPod(pod: PodTemplate, settings: Settings, isAsked: boolean): Injection {
  if (isMirror(pod))
    return { kind: 'unchanged', why: 'it mirrors a static pod, which is not made by an API server' }
  const { wishes, problems } = readAnnotations(pod.metadata?.annotations ?? {})
  const isWanted = wishes.inject ?? isAsked
  if (!isWanted && problems.length === 0) return { kind: 'unchanged', why: 'injection is not asked for' }
  const faults = faultsOfForm(pod)
  if (faults.length > 0) return { kind: 'refused', reasons: faults }
  if (isInjected(pod)) return { kind: 'unchanged', why: 'it is injected already' }
  const { containers, initContainers } = pod.spec
  if (containers.length + (initContainers?.length ?? 0) > maxContainers)
    return { kind: 'refused', reasons: [`containers: more than ${maxContainers}`] }
  const plan = makePlan(pod, settings, wishes)
  const reasons = [...problems, ...reasonsAgainst(pod.spec, plan), ...plan.problems]
  if (reasons.length > 0) return { kind: 'refused', reasons }
  return {
    kind: 'injected',
    operations: operationsOf(pod, plan),
    warnings: [...warningsAbout(pod.spec, plan), ...plan.warnings],
  }
}

/** The node runs what its file says. A kubelet runs no mirror, so nobody gets around a sidecar by that annotation. */
function isMirror({ metadata }: PodTemplate): boolean {
  return metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined
}

/** By the annotation and the container: neither alone is enough. */
export function isInjected({ metadata, spec }: PodTemplate): boolean {
  const isMarked = metadata?.annotations?.[injectedKey] !== undefined
  return (
    isMarked && [...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === sidecarName)
  )
}

/**
 * In this order the paths stay right: first what concerns existing containers, then what is put before them.
 * A classic sidecar comes first among the containers: the kubelet starts them in turn, and waits for the hook of each.
 */
function operationsOf({ metadata, spec }: PodTemplate, plan: Plan): Operation[] {
  const init = spec.initContainers ?? []
  const first = plan.sidecar === 'native' ? [...optional(plan.redirect), plan.sidecarContainer] : []
  // With classic sidecars, init containers run without one: they have a network until the redirection is there.
  const last = plan.sidecar === 'native' ? [] : optional(plan.redirect)
  const classic: Operation[] =
    plan.sidecar === 'native' ? [] : [{ op: 'add', path: '/spec/containers/0', value: plan.sidecarContainer }]
  return [
    ...plan.appOperations,
    ...prepend('/spec', 'initContainers', init, first),
    ...append('/spec', 'initContainers', init, last),
    ...classic,
    ...append(
      '/spec',
      'volumes',
      spec.volumes ?? [],
      plan.volumes.map(({ volume }) => volume),
    ),
    ...marks(metadata, plan.version, defaultContainer({ metadata, spec }, plan)),
  ]
}

function optional<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value]
}

function prepend(
  at: string,
  key: string,
  existing: readonly unknown[],
  added: readonly unknown[],
): Operation[] {
  if (existing.length === 0) return append(at, key, existing, added)
  return added.map((value, i) => ({ op: 'add', path: at + pointer(key, i), value }))
}

/** Whom kubectl shows where nothing else is said: not the sidecar, though a classic one comes first. */
function defaultContainer({ metadata, spec }: PodTemplate, plan: Plan): Readonly<Record<string, string>> {
  const key = 'kubectl.kubernetes.io/default-container'
  const isNeeded = plan.sidecar === 'classic' && metadata?.annotations?.[key] === undefined
  return isNeeded ? { [key]: spec.containers[0]?.name ?? '' } : {}
}

function marks(
  metadata: Metadata | undefined,
  version: string,
  more: Readonly<Record<string, string>>,
): Operation[] {
  const labels = { [injectedKey]: 'true' }
  const annotations = { [injectedKey]: version, ...more }
  if (metadata === undefined) return [{ op: 'add', path: '/metadata', value: { labels, annotations } }]
  return [
    ...addAll('labels', metadata.labels, labels),
    ...addAll('annotations', metadata.annotations, annotations),
  ]
}

function addAll(
  key: 'labels' | 'annotations',
  existing: Readonly<Record<string, string>> | null | undefined,
  added: Readonly<Record<string, string>>,
): Operation[] {
  if (existing === undefined || existing === null || Object.keys(existing).length === 0)
    return [{ op: 'add', path: pointer('metadata', key), value: added }]
  return Object.entries(added).map(([name, value]) => ({
    op: 'add',
    path: pointer('metadata', key, name),
    value,
  }))
}
