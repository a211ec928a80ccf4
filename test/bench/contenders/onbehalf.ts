// Onbehalf as a user runs it: the bundled program with the pinned Node, one mesh file, no flags of Node.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { exchange } from '../../../deploy/demo/exchange.ts'
import { freePorts } from '../../../deploy/demo/ports.ts'
import { ownFolder, type Bed } from '../bed.ts'
import { cores } from '../processes.ts'
import { domain, host } from '../users.ts'
import type { Contender } from './contender.ts'

export const onbehalf: Contender = makeOnbehalf([])

/** With flags for Node, which nobody has who runs it: for profiles. */
export function makeOnbehalf(nodeFlags: readonly string[]): Contender {
  return {
    name: 'onbehalf',
    title: 'Onbehalf, inbound',
    command: undefined,
    verifies: true,
    start: async (bed) => {
      const ports = await freePorts(4)
      const [port, probesPort] = [ports[0] as number, ports[3] as number]
      const folder = await ownFolder(bed.folder, 'onbehalf')
      const file = path.join(folder, 'mesh.yaml')
      await writeFile(file, meshFile(bed, ports))
      const command = [
        process.execPath,
        ...nodeFlags,
        bed.program,
        'run',
        '--config',
        file,
        '--service',
        'App',
      ]
      const startedMs = performance.now()
      const sidecar = bed.processes.start('onbehalf', cores.proxy, command)
      await sidecar.until(() => isReady(probesPort))
      const startToReadyMs = performance.now() - startedMs
      return { pid: sidecar.pid, port, startToReadyMs, stop: sidecar.stop }
    },
  }
}

function meshFile({ jwksFile, upstreamPort }: Bed, [inbound, outbound, admin, probes]: readonly number[]) {
  return `
issuers:
  - name: pomerium
    issuer: [hostOnly]
    jwks: ${jwksFile}
    single_use: false

routes:
  - name: App
    from: https://${host}
    to: http://127.0.0.1:${inbound}
    pass_identity_headers: true
    policy:
      - allow:
          or:
            - domain:
                is: ${domain}

services:
  App:
    app: http://127.0.0.1:${upstreamPort}
    calls: []
    listen: {inbound: "127.0.0.1:${inbound}", outbound: "127.0.0.1:${outbound}", admin: "127.0.0.1:${admin}", probes: "127.0.0.1:${probes}"}
    admin_token_file: admin-token

log: {level: warn, access: off}
`
}

function isReady(port: number): Promise<boolean> {
  return exchange({ port, target: '/ready', headers: [['Host', '127.0.0.1']] }).then(
    (answer) => answer.status === 200,
    () => false,
  )
}
