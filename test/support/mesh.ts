// A mesh for tests: a Pomerium stand-in, real apps, and real sidecars with real listeners, all on loopback.
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID, X509Certificate } from 'node:crypto'
import type { TestContext } from 'node:test'
import { loadMesh } from '../../shared/config/load.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import type { Override } from '../../shared/config/source.ts'
import { createAuthority, issueAccount, type Certified } from '../../sidecar/ca.ts'
import { readAccountCredential, parseRoots } from '../../sidecar/credential/files.ts'
import { createMinter, type Minter } from '../../sidecar/credential/minter.ts'
import { startSidecar, type Sidecar } from '../../sidecar/sidecar.ts'
import { startPomerium, type Pomerium } from '../../deploy/demo/pomerium.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { startApp, type TestApp } from './app.ts'

export const meshIssuer = 'mesh.companydomain.com'
export const hosts = {
  App: 'app.localhost.pomerium.io',
  API: 'api.localhost.pomerium.io',
  Ledger: 'ledger.localhost.pomerium.io',
} as const
export type ServiceName = keyof typeof hosts

type Settings = Record<string, unknown>

export interface MeshOptions {
  /** Merged into the top level of the mesh file. */
  readonly settings?: Settings
  /** Merged into the entry `mesh`. */
  readonly mesh?: Settings
  /** Merged into the one issuer's entry. */
  readonly issuer?: Settings
  /** Merged into the routes of these names; `policy` and the like are replaced. */
  readonly routes?: Partial<Record<ServiceName, Settings>>
  /** Further routes, after the three. */
  readonly moreRoutes?: readonly Settings[]
  /** Merged into the entries of these services. */
  readonly services?: Partial<Record<ServiceName, Settings>>
  /** Further files in the mesh file's folder. */
  readonly files?: Readonly<Record<string, string>>
  /** How sidecars reach each other; default: in clear text. */
  readonly scheme?: 'http' | 'https'
  /** Which sidecars run; default: all three. */
  readonly run?: readonly ServiceName[]
  /** Default: true. */
  readonly awaitReady?: boolean
  /** Added to the system's clock. */
  readonly clockOffsetMs?: () => number
  /** Of each sidecar; default: empty. */
  readonly env?: NodeJS.ProcessEnv
}

export interface RunningSidecar {
  readonly sidecar: Sidecar
  readonly inbound: number
  readonly outbound: number
  readonly admin: number
  readonly probes: number
  readonly logs: string[]
}

export interface TestMesh {
  readonly folder: string
  readonly meshFile: string
  readonly pomerium: Pomerium
  readonly apps: Readonly<Record<ServiceName, TestApp>>
  readonly sidecars: Readonly<Record<ServiceName, RunningSidecar>>
  /** Mints under the real key of an account, to be used by hand. */
  minter(account: string): Promise<Minter>
  /** The real certificate and key of an account; `atMs`: as they were issued then, for a day. */
  certified(account: string, atMs?: number): Promise<Certified>
  writeMeshFile(change: (mesh: MeshObject) => void): Promise<void>
}

export interface MeshObject {
  [key: string]: unknown
  issuers: Settings[]
  routes: Settings[]
  services: Record<string, Settings>
}

const users = {
  alice: { sub: 'alice-id', email: 'alice@companydomain.com', groups: ['staff', 'finance'], name: 'Alice' },
  bob: { sub: 'bob-id', email: 'bob@companydomain.com', groups: ['staff'], name: 'Bob' },
  mallory: { sub: 'mallory-id', email: 'mallory@elsewhere.com', groups: [], name: 'Mallory' },
}

/** Starts a mesh and takes it down when the test ends. App calls as api-access, API as ledger-access. */
export async function startMesh(t: TestContext, options: MeshOptions = {}): Promise<TestMesh> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const pomerium = await startPomerium({ users: { ...users, ...manyUsers() } })
  t.after(() => pomerium.close())
  const apps = { App: await startApp(), API: await startApp(), Ledger: await startApp() }
  t.after(() => Promise.all(Object.values(apps).map((app) => app.close())))
  const certificates = await certify(folder)
  for (const [name, content] of Object.entries(options.files ?? {}))
    await writeFile(join(folder, name), content)
  const ports = await freePorts(6)
  const mesh = meshObject(options, pomerium, apps, ports)
  const meshFile = join(folder, 'mesh.json')
  const writeMeshFile = async (change: (mesh: MeshObject) => void) => {
    change(mesh)
    await writeFile(meshFile, JSON.stringify(mesh, undefined, 2))
  }
  await writeMeshFile(() => undefined)
  await makeOld(folder)

  const running: Partial<Record<ServiceName, RunningSidecar>> = {}
  for (const service of options.run ?? (['App', 'API', 'Ledger'] as const)) {
    const started = await startOne(service, meshFile, options)
    t.after(() => started.sidecar.stop())
    running[service] = started
  }
  return {
    folder,
    meshFile,
    pomerium,
    apps,
    sidecars: running as Record<ServiceName, RunningSidecar>,
    certified: certificates.certified,
    minter: certificates.minter,
    writeMeshFile,
  }
}

/** As if the files had been there for a while: what is written just before a start is read once more. */
async function makeOld(folder: string): Promise<void> {
  const then = new Date(Date.now() - 60_000)
  for (const name of await readdir(folder)) await utimes(join(folder, name), then, then)
}

/** user0@companydomain.com … user499@companydomain.com, each with an id of its own. */
function manyUsers() {
  return Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => {
      const user = { sub: `user${i}-id`, email: `user${i}@companydomain.com`, groups: [], name: `User ${i}` }
      return [`user${i}`, user] as const
    }),
  )
}

function meshObject(
  options: MeshOptions,
  pomerium: Pomerium,
  apps: Readonly<Record<ServiceName, TestApp>>,
  ports: readonly number[],
): MeshObject {
  const names = ['App', 'API', 'Ledger'] as const
  const policies: Record<ServiceName, unknown> = {
    App: [{ allow: { or: [{ domain: { is: 'companydomain.com' } }] } }],
    API: [{ allow: { or: [{ user: { is: 'api-access' } }] } }],
    Ledger: [{ allow: { or: [{ user: { is: 'ledger-access' } }] } }],
  }
  const accounts: Partial<Record<ServiceName, string>> = { App: 'api-access', API: 'ledger-access' }
  const routes = names.map((name, i) => ({
    name,
    from: `https://${hosts[name]}`,
    to: `${options.scheme ?? 'http'}://127.0.0.1:${ports[i]}`,
    pass_identity_headers: true,
    policy: policies[name],
    ...(accounts[name] && { account: accounts[name] }),
    ...options.routes?.[name],
  }))
  const services = names.map((name, i) => {
    const account = accounts[name]
    const credential = account && { credential: { certificate: `${account}.pem`, key: `${account}-key.pem` } }
    return [
      name,
      {
        app: apps[name].origin,
        listen: {
          inbound: `127.0.0.1:${ports[i]}`,
          outbound: `127.0.0.1:${ports[i + 3]}`,
          admin: '127.0.0.1:0',
          probes: '127.0.0.1:0',
        },
        admin_token_file: `${name}.admin-token`,
        ...credential,
        ...options.services?.[name],
      },
    ]
  })
  return {
    issuers: [{ name: 'pomerium', issuer: ['hostOnly'], jwks: pomerium.jwksUrl, ...options.issuer }],
    mesh: { issuer: meshIssuer, ca: 'ca.pem', ...options.mesh },
    timeouts: { linger: '2s', drain: '5s' },
    ...options.settings,
    routes: [...routes, ...(options.moreRoutes ?? [])],
    services: Object.fromEntries(services) as MeshObject['services'],
  }
}

/** Writes the root of the mesh, and the certificates of both accounts, into the folder. */
export async function certify(folder: string) {
  const nowMs = Date.now()
  // Old enough to have issued what has expired since.
  const dayMs = 86_400_000
  const ca = await createAuthority({ issuer: meshIssuer, days: 4, nowMs: nowMs - 3 * dayMs })
  await writeFile(join(folder, 'ca.pem'), ca.certificatePem)
  const certified = (account: string, atMs = nowMs): Promise<Certified> =>
    issueAccount({
      caPem: ca.certificatePem,
      caKeyPem: ca.keyPem,
      issuer: undefined,
      account,
      dnsNames: [],
      days: 1,
      nowMs: atMs,
    })
  for (const account of ['api-access', 'ledger-access']) {
    const { certificatePem, keyPem } = await certified(account)
    await writeFile(join(folder, `${account}.pem`), certificatePem)
    await writeFile(join(folder, `${account}-key.pem`), keyPem, { mode: 0o600 })
  }
  const minter = async (account: string): Promise<Minter> => {
    const { certificatePem, keyPem } = await certified(account)
    const accounts = new Set([account])
    const authority = { name: 'mesh', issuer: meshIssuer, accounts, roots: parseRoots(ca.certificatePem) }
    const credential = readAccountCredential({
      certificatePem,
      keyPem,
      authority,
      accounts,
      nowMs: Date.now(),
    })
    return createMinter({ ...credential, issuer: meshIssuer, now: Date.now })
  }
  return { certified, minter }
}

const readyDeadlineMs = 10_000

async function untilReady(sidecar: Sidecar): Promise<void> {
  const startedMs = Date.now()
  while (sidecar.notReady().length > 0) {
    if (Date.now() - startedMs > readyDeadlineMs)
      throw new Error(`not ready: ${sidecar.notReady().join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** `x5c` of a certificate file's leaf. */
export function x5cOf(certified: Certified): string[] {
  return [new X509Certificate(certified.certificatePem).raw.toString('base64')]
}

/** One more pod of a service: a sidecar on ports of its own, before the same app. It ends with the test. */
export async function startPod(
  t: TestContext,
  mesh: TestMesh,
  service: ServiceName,
  options: Pick<MeshOptions, 'awaitReady' | 'clockOffsetMs'> = {},
): Promise<RunningSidecar> {
  const listen = ['inbound', 'outbound', 'admin', 'probes'].map((name) => ({
    path: ['listen', name],
    value: '127.0.0.1:0',
    source: 'a pod of its own',
  }))
  const tokenFile = join(mesh.folder, `${service}-${randomUUID()}.admin-token`)
  const overrides = [...listen, { path: ['admin_token_file'], value: tokenFile, source: 'a pod of its own' }]
  const pod = await startOne(service, mesh.meshFile, options, undefined, overrides)
  t.after(() => pod.sidecar.stop())
  return pod
}

/** One more sidecar of a service on the same mesh file; `afterRead` runs each time the file has been read. */
export function startAgain(
  mesh: TestMesh,
  service: ServiceName,
  afterRead?: () => Promise<void>,
): Promise<RunningSidecar> {
  return startOne(service, mesh.meshFile, {}, once(afterRead))
}

function once(act: (() => Promise<void>) | undefined): () => Promise<void> {
  let left = act
  return async () => {
    const now = left
    left = undefined
    await now?.()
  }
}

async function startOne(
  service: ServiceName,
  meshFile: string,
  options: MeshOptions,
  afterRead: () => Promise<void> = async () => undefined,
  overrides: readonly Override[] = [],
): Promise<RunningSidecar> {
  const logs: string[] = []
  const sidecar = await startSidecar({
    read: async () => {
      const text = await readFile(meshFile, 'utf8')
      await afterRead()
      const { mesh, problems } = loadMesh({ file: meshFile, text, service, overrides })
      const of = (severity: string) =>
        problems.filter((problem) => problem.severity === severity).map(formatProblem)
      return { mesh, file: meshFile, errors: of('error'), warnings: of('warning') }
    },
    now: () => Date.now() + (options.clockOffsetMs?.() ?? 0),
    output: { write: (line) => logs.push(line) },
    env: options.env ?? {},
    onShutdown: () => undefined,
  })
  if (options.awaitReady !== false) await untilReady(sidecar)
  const portOf = (which: keyof Sidecar['addresses']) => sidecar.addresses[which][0]?.port ?? 0
  const [inbound, outbound, admin, probes] = [
    portOf('inbound'),
    portOf('outbound'),
    portOf('admin'),
    portOf('probes'),
  ]
  return { sidecar, inbound, outbound, admin, probes, logs }
}
