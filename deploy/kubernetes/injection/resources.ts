// What the containers that are added ask for and may use: never more asked for than allowed, which a cluster refuses.
import type { Wishes } from './annotations.ts'
import type { Resources } from './pod.ts'

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

export function sidecarResources(wishes: Wishes): Resources {
  const { 'cpu-request': cpu, 'cpu-limit': cpuLimit, 'memory-request': memory } = wishes
  const memoryLimit = wishes['memory-limit'] ?? greater('256Mi', memory)
  return {
    requests: { cpu: cpu ?? lesser('50m', cpuLimit), memory: memory ?? lesser(memoryRequest, memoryLimit) },
    limits: { ...cpuLimits(wishes), memory: memoryLimit },
  }
}

/** It has a limit of CPU where the sidecar has one: a quota may ask that of every container. */
export function redirectResources(wishes: Wishes): Resources {
  return {
    requests: { cpu: lesser('10m', wishes['cpu-limit']), memory: '16Mi' },
    limits: { ...cpuLimits(wishes), memory: '64Mi' },
  }
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
