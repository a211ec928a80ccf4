// Where the app listens: as the pod says, or as its containers declare.
import type { Wishes } from './annotations.ts'
import { ports } from './names.ts'
import type { ContainerPort, PodSpec } from './pod.ts'

export interface AppPort {
  readonly port: number | undefined
  readonly warnings: readonly string[]
  readonly problems: readonly string[]
}

export function findAppPort(spec: PodSpec, wishes: Wishes): AppPort {
  const declared = spec.containers
    .flatMap((container) => container.ports ?? [])
    .filter(({ protocol }) => protocol === undefined || protocol === 'TCP')
  const wish = wishes['app-port']
  if (wish !== undefined) return wishedPort(wish, declared)
  if (declared.length === 1) return { port: declared[0]?.containerPort, warnings: [], problems: [] }
  const why = declared.length === 0 ? 'no container declares a port' : 'the containers declare several ports'
  return {
    port: undefined,
    warnings: [
      `${why}: unless the app takes no requests, the mesh file must say where it listens, or annotation onbehalf.dev/app-port`,
    ],
    problems: [],
  }
}

function wishedPort(wish: string, declared: readonly ContainerPort[]): AppPort {
  const port = /^\d+$/.test(wish) ? Number(wish) : declared.find(({ name }) => name === wish)?.containerPort
  const why = faultOf(port, wish)
  const problems = why === undefined ? [] : [`annotation onbehalf.dev/app-port: ${why}`]
  return { port, warnings: [], problems }
}

function faultOf(port: number | undefined, wish: string): string | undefined {
  if (port === undefined) return `no container declares a port "${wish}"`
  if (port < 1 || port > 65_535) return `${wish} is no port from 1 to 65535`
  const own: readonly number[] = Object.values(ports)
  return own.includes(port) ? `${wish} is one of the sidecar's own ports` : undefined
}
