// What runs where: the mesh file of the demo with free ports, and the same as data.
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { freePorts } from './ports.ts'

export type ServiceName = 'App' | 'API' | 'Ledger'

export interface Service {
  readonly name: ServiceName
  readonly host: string
  /** The account under which it calls the next service. */
  readonly account: string | undefined
  readonly appPort: number
  readonly inboundPort: number
  readonly outboundPort: number
  readonly adminPort: number
  readonly probesPort: number
  readonly adminTokenFile: string
}

export interface Topology {
  /** Holds the mesh file, certificates, keys and logs. */
  readonly folder: string
  readonly meshFile: string
  readonly meshIssuer: string
  readonly pomeriumPort: number
  /** In the order in which they call each other. */
  readonly services: Readonly<Record<ServiceName, Service>>
}

/** What of the mesh file the demo reads. */
interface DemoMesh {
  readonly issuers: readonly { readonly jwks: string }[]
  readonly mesh: { readonly issuer: string }
  readonly routes: readonly { readonly name: ServiceName; readonly from: string; readonly account?: string }[]
  readonly services: Readonly<Record<ServiceName, DemoService>>
}

interface DemoService {
  readonly app: string
  readonly listen: Readonly<Record<'inbound' | 'outbound' | 'admin' | 'probes', string>>
  readonly admin_token_file: string
}

/** Writes the mesh file into the folder. With a URL of a Redis, the sidecars share it. */
export async function layOut(folder: string, redisUrl?: string): Promise<Topology> {
  const template = await readFile(path.join(import.meta.dirname, 'mesh.yaml'), 'utf8')
  const withPorts = await withFreePorts(template)
  const text = redisUrl === undefined ? withPorts : `${withPorts}\nstore: { redis: { url: ${redisUrl} } }\n`
  const meshFile = path.join(folder, 'mesh.yaml')
  await writeFile(meshFile, text)
  const demo = parse(text) as DemoMesh
  return {
    folder,
    meshFile,
    meshIssuer: demo.mesh.issuer,
    pomeriumPort: portOf(demo.issuers[0]?.jwks),
    services: {
      App: serviceOf(demo, 'App', folder),
      API: serviceOf(demo, 'API', folder),
      Ledger: serviceOf(demo, 'Ledger', folder),
    },
  }
}

async function withFreePorts(template: string): Promise<string> {
  const written = [...new Set(template.match(/127\.0\.0\.1:\d+/g))]
  const free = await freePorts(written.length)
  return template.replaceAll(/127\.0\.0\.1:\d+/g, (address) => `127.0.0.1:${free[written.indexOf(address)]}`)
}

function serviceOf(demo: DemoMesh, name: ServiceName, folder: string): Service {
  const route = demo.routes.find((candidate) => candidate.name === name)
  const { app, listen, admin_token_file: adminTokenFile } = demo.services[name]
  return {
    name,
    host: new URL(route?.from ?? '').hostname,
    account: route?.account,
    appPort: portOf(app),
    inboundPort: portOf(listen.inbound),
    outboundPort: portOf(listen.outbound),
    adminPort: portOf(listen.admin),
    probesPort: portOf(listen.probes),
    adminTokenFile: path.join(folder, adminTokenFile),
  }
}

function portOf(address: string | undefined): number {
  return Number(/127\.0\.0\.1:(\d+)/.exec(address ?? '')?.[1])
}
