// Real Redis servers for tests, each a process of its own on free ports and in a folder of its own.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisSettings, RedisUser, ServerAddress } from '../../shared/config/mesh.ts'
import { Redacted } from '../../shared/redacted.ts'
import { issueAccount, createAuthority } from '../../sidecar/ca.ts'
import { connectRedis, type RedisAccess } from '../../sidecar/store/redis-connection.ts'

/** Why there is no Redis here, for `skip`; false where there is. */
export const redisMissing: string | false =
  spawnSync('redis-server', ['--version']).status === 0
    ? false
    : 'redis-server is not installed (Debian: redis-server)'

const openAccess: RedisAccess = { tls: undefined, username: undefined, password: undefined }

export interface RedisServer {
  readonly port: number
  readonly address: ServerAddress
  readonly folder: string
  /** By the access that the server was started with. */
  call(command: string, ...args: readonly (string | number)[]): Promise<unknown>
  /** Until the reply is of that kind. */
  until(matches: (reply: unknown) => boolean, command: string, ...args: readonly string[]): Promise<void>
  kill(): Promise<void>
  /** Stops it by SIGSTOP: it keeps its connections, and takes new ones, and says nothing. */
  freeze(): void
  thaw(): void
  /** After `kill`, on the same port. */
  restart(): Promise<void>
}

export interface RedisOptions {
  readonly args?: readonly string[]
  /** How the test itself speaks to it. */
  readonly access?: RedisAccess
  readonly host?: string
  /** Told of each port: what else is to be written down before it starts. */
  readonly configure?: (port: number, folder: string) => Promise<readonly string[]>
  /** What it writes when it is ready. */
  readonly readyText?: string
}

/** Ended after the test. */
export async function startRedis(t: TestContext, options: RedisOptions = {}): Promise<RedisServer> {
  let server: RedisServer | undefined
  const folder = await folderFor(t, async () => server?.kill())
  // Between asking for a free port and using it, somebody else can take it.
  for (let attempt = 0; ; attempt++) {
    const port = await freePort()
    const more = (await options.configure?.(port, folder)) ?? ['--port', String(port)]
    const args = [...more, ...defaults(folder), ...(options.args ?? [])]
    const first = await launch(args, options.readyText)
    if (typeof first !== 'string') return (server = serverOf(first, { args, port, folder, options }))
    assert.ok(attempt < 3 && first.includes('Address already in use'), `redis-server ended:\n${first}`)
  }
}

function defaults(folder: string): string[] {
  return ['--bind', '127.0.0.1 -::1', '--dir', folder, '--save', '', '--appendonly', 'no']
}

interface Launched {
  readonly args: readonly string[]
  readonly port: number
  readonly folder: string
  readonly options: RedisOptions
}

function serverOf(first: ChildProcess, launched: Launched): RedisServer {
  const { args, port, folder, options } = launched
  let child = first
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  const address = { host: options.host ?? '127.0.0.1', port }
  const call: RedisServer['call'] = async (command, ...rest) => {
    const connection = await connectRedis(address, options.access ?? openAccess)
    try {
      return await connection.call(5_000, command, ...rest)
    } finally {
      connection.drop()
    }
  }
  return {
    port,
    address,
    folder,
    call,
    async until(matches, command, ...rest) {
      for (let i = 0; !matches(await call(command, ...rest).catch(() => undefined)); i++) {
        assert.ok(i < 600, `${command} ${rest.join(' ')} did not come to what was waited for`)
        await pause(50)
      }
    },
    kill,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    async restart() {
      const next = await launch(args, options.readyText)
      if (typeof next === 'string') assert.fail(`redis-server ended:\n${next}`)
      child = next
    },
  }
}

/** The process when it is ready, or what it wrote where it ended instead. */
async function launch(
  args: readonly string[],
  readyText = 'Ready to accept connections',
): Promise<ChildProcess | string> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const { promise, resolve } = Promise.withResolvers<ChildProcess | string>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += text.length < 100_000 ? part : ''
      if (text.includes(readyText)) resolve(child)
    })
  }
  child.once('exit', () => resolve(text))
  return promise
}

/** @param end what still writes there, to be ended before it is removed. */
async function folderFor(t: TestContext, end: () => Promise<void> = async () => undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-redis-'))
  t.after(async () => {
    await end()
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Settings for it, but for what `changes` says. */
export function settingsFor(
  servers: RedisSettings['servers'],
  changes: Partial<RedisSettings> = {},
): RedisSettings {
  return {
    kind: 'redis',
    servers,
    tls: undefined,
    user: {},
    revoker: undefined,
    prefix: 'onbehalf',
    ...changes,
  }
}

export function standalone(
  server: Pick<RedisServer, 'address'>,
  changes?: Partial<RedisSettings>,
): RedisSettings {
  return settingsFor({ kind: 'standalone', address: server.address }, changes)
}

export interface SecureRedis {
  readonly server: RedisServer
  /** As a sidecar. */
  readonly settings: RedisSettings
  readonly revoker: RedisUser
  readonly passwordFile: string
  readonly tls: { readonly caFile: string; readonly certificateFile: string; readonly keyFile: string }
}

/** With TLS, client certificates, and the users of an ACL file; `admin` with password `admin` may do all. */
export async function startSecureRedis(
  t: TestContext,
  acl: string,
  args: readonly string[] = [],
): Promise<SecureRedis> {
  const folder = await folderFor(t)
  const { tls, material } = await writeTls(folder)
  const passwordFile = join(folder, 'sidecar-password')
  const revokerFile = join(folder, 'revoker-password')
  const aclFile = join(folder, 'users.acl')
  const users = acl
    .replace('SIDECAR_PASSWORD', 'sidecar-secret')
    .replace('REVOKER_PASSWORD', 'revoker-secret')
  await Promise.all([
    writeFile(passwordFile, 'sidecar-secret\n'),
    writeFile(revokerFile, 'revoker-secret'),
    writeFile(aclFile, `${users}user admin on >admin ~* &* +@all\n`),
  ])
  const files = [
    '--tls-ca-cert-file',
    tls.caFile,
    '--tls-cert-file',
    tls.certificateFile,
    '--tls-key-file',
    tls.keyFile,
  ]
  const server = await startRedis(t, {
    host: 'localhost',
    access: { tls: material, username: 'admin', password: new Redacted('admin') },
    configure: async (port) => ['--port', '0', '--tls-port', String(port), ...files, '--aclfile', aclFile],
    args,
  })
  const user = { username: 'sidecar', passwordFile }
  const revoker = { username: 'revoker', passwordFile: revokerFile }
  return { server, settings: standalone(server, { tls, user, revoker }), revoker, passwordFile, tls }
}

/** A CA, and a certificate for localhost. */
export async function writeTls(folder: string, name = 'redis') {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: `${name}.example.com`, days: 1, nowMs })
  const { certificatePem, keyPem } = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: name,
    dnsNames: ['localhost'],
    days: 1,
    nowMs,
  })
  const tls = {
    caFile: join(folder, `${name}-ca.pem`),
    certificateFile: join(folder, `${name}.pem`),
    keyFile: join(folder, `${name}-key.pem`),
  }
  await Promise.all([
    writeFile(tls.caFile, ca.certificatePem),
    writeFile(tls.certificateFile, certificatePem),
    writeFile(tls.keyFile, keyPem),
  ])
  return { tls, material: { ca: ca.certificatePem, certificate: certificatePem, key: keyPem } }
}

const lastSlot = 16_383

export interface RedisCluster {
  readonly masters: readonly RedisServer[]
  /** Of the master that keeps the prefix. */
  readonly replica: RedisServer
  /** The master that keeps the prefix. */
  readonly owner: RedisServer
  readonly settings: RedisSettings
}

/** Three masters, and a replica of the one that keeps the prefix. */
export async function startCluster(t: TestContext): Promise<RedisCluster> {
  const nodes = await Promise.all([0, 1, 2, 3].map(() => startNode(t)))
  const masters = nodes.slice(0, 3)
  const replica = nodes[3] as RedisServer
  const [first] = masters as [RedisServer]
  await Promise.all(
    masters.map((node, i) =>
      node.call(
        'cluster',
        'addslotsrange',
        Math.ceil((i * (lastSlot + 1)) / 3),
        Math.ceil(((i + 1) * (lastSlot + 1)) / 3) - 1,
      ),
    ),
  )
  await Promise.all(nodes.map((node, i) => node.call('cluster', 'set-config-epoch', i + 1)))
  for (const node of nodes.slice(1))
    await first.call('cluster', 'meet', '127.0.0.1', node.port, await busPort(node))
  await Promise.all(nodes.map((node) => node.until(knowsAll(nodes.length), 'cluster', 'nodes')))
  const slot = Number(await first.call('cluster', 'keyslot', '{onbehalf}:x'))
  const owner = masters[Math.floor((slot * 3) / (lastSlot + 1))] as RedisServer
  await replica.call('cluster', 'replicate', String(await owner.call('cluster', 'myid')))
  await Promise.all(nodes.map((node) => node.until(saysOk, 'cluster', 'info')))
  await owner.until((reply) => String(reply).includes('state=online'), 'info', 'replication')
  const addresses = nodes.map(({ address }) => address)
  return { masters, replica, owner, settings: settingsFor({ kind: 'cluster', nodes: addresses }) }
}

const saysOk = (reply: unknown) => String(reply).includes('cluster_state:ok')
const knowsAll = (count: number) => (reply: unknown) =>
  String(reply).trim().split('\n').length === count && !String(reply).includes('handshake')

async function startNode(t: TestContext): Promise<RedisServer> {
  return startRedis(t, {
    configure: async (port) => ['--port', String(port), '--cluster-port', String(await freePort())],
    args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0'],
  })
}

async function busPort(node: RedisServer): Promise<number> {
  const [, port] = (await node.call('config', 'get', 'cluster-port')) as string[]
  return Number(port)
}

export interface RedisWithSentinels {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  readonly settings: RedisSettings
}

/** A master, a replica, and three sentinels that agree by two. */
export async function startSentinels(t: TestContext): Promise<RedisWithSentinels> {
  const master = await startRedis(t, { args: ['--repl-diskless-sync-delay', '0'] })
  const replica = await startRedis(t, { args: ['--replicaof', `127.0.0.1 ${master.port}`] })
  await master.until((reply) => String(reply).includes('state=online'), 'info', 'replication')
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(t, master.port)))
  for (const sentinel of sentinels) {
    await sentinel.until(
      (reply) => knownTo(reply, 'num-slaves') === '1' && knownTo(reply, 'num-other-sentinels') === '2',
      'sentinel',
      'master',
      'main',
    )
  }
  const addresses = sentinels.map(({ address }) => address)
  const settings = settingsFor({ kind: 'sentinel', sentinels: addresses, master: 'main', user: {} })
  return { master, replica, sentinels, settings }
}

function knownTo(reply: unknown, field: string): unknown {
  return Array.isArray(reply) ? (reply as unknown[])[reply.indexOf(field) + 1] : undefined
}

function startSentinel(t: TestContext, masterPort: number): Promise<RedisServer> {
  return startRedis(t, {
    readyText: '+monitor',
    async configure(port, folder) {
      const file = join(folder, 'sentinel.conf')
      const lines = [
        `port ${port}`,
        `sentinel monitor main 127.0.0.1 ${masterPort} 2`,
        'sentinel down-after-milliseconds main 800',
        'sentinel failover-timeout main 3000',
      ]
      await writeFile(file, `${lines.join('\n')}\n`)
      return [file, '--sentinel']
    },
  })
}
