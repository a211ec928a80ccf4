// What the containers that are added ask for and may use: never more asked for than allowed, which a cluster refuses.
import type { Wishes } from './annotations.ts'
import type { PodSpec, Resources } from './pod.ts'

type PodResources = PodSpec['resources']

const units: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  Ki: 2 ** 10,
  M: 1e6,
  Mi: 2 ** 20,
  G: 1e9,
  Gi: 2 ** 30,
}

function amountOf(quantity: string): number {
  const [, number, unit = ''] = /^([\d.]+)(\w*)$/.exec(quantity) ?? []
  return Number(number) * (units[unit] ?? NaN)
}

function lesser(one: string, other: string | undefined): string {
  return other === undefined || amountOf(one) <= amountOf(other) ? one : other
}

function greater(one: string, other: string | undefined): string {
  return other === undefined || amountOf(one) >= amountOf(other) ? one : other
}

/** A little more than an idle sidecar takes. */
const memoryRequest = '96Mi'

/** @param ofPod what the pod asks for as a whole (KEP-2837). */
export function sidecarResources(wishes: Wishes, ofPod: PodResources): Resources {
  const { 'cpu-request': cpu, 'cpu-limit': cpuLimit, 'memory-request': memory } = wishes
  const memoryLimit = wishes['memory-limit'] ?? greater('256Mi', memory)
  const own = {
    requests: { cpu: cpu ?? lesser('50m', cpuLimit), memory: memory ?? lesser(memoryRequest, memoryLimit) },
    limits: { ...cpuLimits(wishes), memory: memoryLimit },
  }
  return withoutShared(
    own,
    ofPod,
    (name) => Object.hasOwn(wishes, `${name}-request`) || Object.hasOwn(wishes, `${name}-limit`),
  )
}

/**
 * It has a limit of CPU where the sidecar has one: a quota may ask that of every container. It is guaranteed what it may
 * use where the sidecar is, or the pod would not be of that class.
 */
export function redirectResources(wishes: Wishes, ofPod: PodResources): Resources {
  const limits = { ...cpuLimits(wishes), memory: '64Mi' }
  const least = { cpu: lesser('10m', wishes['cpu-limit']), memory: '16Mi' }
  const own = { requests: isGuaranteed(wishes) ? limits : least, limits }
  return withoutShared(own, ofPod, () => false)
}

function isGuaranteed(wishes: Wishes): boolean {
  return (['cpu', 'memory'] as const).every((name) => {
    const [request, limit] = [wishes[`${name}-request`], wishes[`${name}-limit`]]
    return request !== undefined && limit !== undefined && amountOf(request) === amountOf(limit)
  })
}

type Amounts = Readonly<Record<string, string>>

/**
 * Of what the pod has as a whole its containers may ask for no more together: who asks for nothing has a share of it.
 * @param isWished whether the pod's annotations say how much.
 */
function withoutShared(
  { requests, limits }: { readonly requests: Amounts; readonly limits: Amounts },
  ofPod: PodResources,
  isWished: (name: string) => boolean,
): Resources {
  const named = Object.keys({ ...ofPod?.requests, ...ofPod?.limits })
  const shared = new Set(named.filter((name) => !isWished(name)))
  const left = (amounts: Amounts) =>
    Object.fromEntries(Object.entries(amounts).filter(([name]) => !shared.has(name)))
  return { requests: left(requests), limits: left(limits) }
}

function cpuLimits({ 'cpu-limit': cpu }: Wishes): { readonly cpu?: string } {
  return cpu === undefined ? {} : { cpu }
}

export function resourceProblems(wishes: Wishes): string[] {
  return (['cpu', 'memory'] as const).flatMap((name) => {
    const [request, limit] = [wishes[`${name}-request`], wishes[`${name}-limit`]]
    if (request === undefined || limit === undefined || amountOf(request) <= amountOf(limit)) return []
    return [
      `annotation onbehalf.dev/${name}-request: ${request} is more than onbehalf.dev/${name}-limit (${limit})`,
    ]
  })
}

export function resourceWarnings({ 'memory-limit': limit }: Wishes): string[] {
  if (limit === undefined || amountOf(limit) >= amountOf(memoryRequest)) return []
  return [`annotation onbehalf.dev/memory-limit: with less than ${memoryRequest} the sidecar may be killed`]
}
