// The mesh files of the bench: written as JSON, which is YAML too.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ownFolder, type Bed } from '../bed.ts'
import { domain, host } from '../users.ts'

export type Members = Readonly<Record<string, unknown>>

/** A sidecar's ports on 127.0.0.1. */
export interface Ports {
  readonly inbound: number
  readonly outbound: number
  readonly admin: number
  readonly probes: number
}

const at = (port: number) => `127.0.0.1:${port}`

/** `services[]` of one whose app is the upstream. */
export function serviceOf({ inbound, outbound, admin, probes }: Ports, appPort: number): Members {
  return {
    app: `http://127.0.0.1:${appPort}`,
    listen: { inbound: at(inbound), outbound: at(outbound), admin: at(admin), probes: at(probes) },
    admin_token_file: 'admin-token',
  }
}

export const usersOfDomain = [{ allow: { or: [{ domain: { is: domain } }] } }]

export function appRoute(inbound: number): Members {
  return {
    name: 'App',
    from: `https://${host}`,
    to: `http://127.0.0.1:${inbound}`,
    pass_identity_headers: true,
    policy: usersOfDomain,
  }
}

/** One service, App, whose users have assertions of the bed's issuer. */
export function appMesh(bed: Bed, ports: Ports): Members {
  return {
    issuers: [pomeriumOf(bed)],
    routes: [appRoute(ports.inbound)],
    services: { App: { ...serviceOf(ports, bed.upstreamPort), calls: [] } },
    log: { level: 'warn', access: 'off' },
  }
}

export function pomeriumOf({ jwksFile }: Bed): Members {
  return { name: 'pomerium', issuer: ['hostOnly'], jwks: jwksFile, single_use: false }
}

/** Into a folder of its own. */
export async function writeMesh(bed: Bed, mesh: Members): Promise<string> {
  const file = path.join(await ownFolder(bed.folder, 'mesh'), 'mesh.yaml')
  await writeFile(file, `${JSON.stringify(mesh, undefined, 1)}\n`)
  return file
}
