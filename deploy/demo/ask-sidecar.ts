// What a sidecar says of itself: its figures, and the keys that it goes by.
import { exchange } from './exchange.ts'
import type { Service } from './topology.ts'

export interface SidecarKeys {
  readonly roots: readonly unknown[]
  /** Undefined: the service calls nobody. */
  readonly account?: { readonly key_id: string }
}

/** The text of `/metrics`. */
export async function readMetrics({ probesPort }: Service): Promise<string> {
  const headers = [['Host', 'localhost']] as const
  return (await exchange({ port: probesPort, target: '/metrics', headers })).body
}

/** One figure, by its name and labels as they are written there; undefined where it is not there. */
export async function readFigure(service: Service, sample: string): Promise<number | undefined> {
  const lines = (await readMetrics(service)).split('\n')
  const line = lines.find((each) => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

/** What the admin listener says at `/keys`. */
export async function readKeys({ adminPort }: Service): Promise<SidecarKeys> {
  const headers = [['Host', 'localhost']] as const
  return JSON.parse((await exchange({ port: adminPort, target: '/keys', headers })).body) as SidecarKeys
}
