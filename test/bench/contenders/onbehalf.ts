// Onbehalf as a user runs it: the bundled program with the pinned Node, one mesh file, no flags of Node.
import { exchange } from '../../../deploy/demo/exchange.ts'
import { freePorts } from '../../../deploy/demo/ports.ts'
import type { Bed } from '../bed.ts'
import { cores } from '../processes.ts'
import type { Contender, Started } from './contender.ts'
import { appMesh, writeMesh, type Members, type Ports } from './mesh.ts'

export interface OnbehalfShape {
  /** Flags for Node, which nobody has who runs it: for profiles. */
  readonly nodeFlags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Another mesh file than that of one service and one issuer. */
  readonly mesh?: (bed: Bed, ports: Ports) => Members
}

export interface StartedSidecar extends Started {
  readonly ports: Ports
}

export const onbehalf = makeOnbehalf()

export function makeOnbehalf(shape: OnbehalfShape = {}): Contender {
  const { mesh = appMesh } = shape
  return {
    name: 'onbehalf',
    title: 'Onbehalf, inbound',
    command: undefined,
    verifies: true,
    start: async (bed) => {
      const ports = await sidecarPorts()
      return startSidecar(bed, { file: await writeMesh(bed, mesh(bed, ports)), service: 'App', ports }, shape)
    },
  }
}

export interface SidecarPlace {
  readonly file: string
  readonly service: string
  readonly ports: Ports
}

/** Resolves when it is ready. */
export async function startSidecar(
  bed: Bed,
  { file, service, ports }: SidecarPlace,
  { nodeFlags = [], environment = {} }: OnbehalfShape = {},
): Promise<StartedSidecar> {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const node = ['env', ...variables, process.execPath, ...nodeFlags]
  const command = [...node, bed.program, 'run', '--config', file, '--service', service]
  const startedMs = performance.now()
  const sidecar = bed.processes.start('onbehalf', cores.proxy, command)
  await sidecar.until(() => isReady(ports.probes))
  const startToReadyMs = performance.now() - startedMs
  const metrics = () => metricsOf(ports.probes)
  return { pid: sidecar.pid, port: ports.inbound, ports, startToReadyMs, metrics, stop: sidecar.stop }
}

export async function sidecarPorts(): Promise<Ports> {
  const [inbound, outbound, admin, probes] = (await freePorts(4)) as [number, number, number, number]
  return { inbound, outbound, admin, probes }
}

async function metricsOf(probes: number): Promise<string> {
  const { body } = await exchange({ port: probes, target: '/metrics', headers: [['Host', '127.0.0.1']] })
  return body
}

function isReady(port: number): Promise<boolean> {
  return exchange({ port, target: '/ready', headers: [['Host', '127.0.0.1']] }).then(
    (answer) => answer.status === 200,
    () => false,
  )
}
