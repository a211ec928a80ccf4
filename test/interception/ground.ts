// Two pods with sidecar, app and redirect rules, and an outside: what the tests of interception stand on.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, chown, copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createAuthority, issueAccount, type Certified } from '../../sidecar/ca.ts'
import { makeSigner, userClaims } from '../support/tokens.ts'
import { kill } from '../clients/child.ts'
import { families, makeNetwork, podAddress, type Family, type Network, type Pod } from './network.ts'
import { obedient } from './obedient.ts'
import type { Orders } from './peer.ts'

const root = join(import.meta.dirname, '../..')
export const redirect = join(root, 'deploy/interception/redirect.sh')

export const sidecarUid = 15_000
const appUid = 15_100
export const ports = {
  app: 8080,
  echo: 7000,
  greeting: 3306,
  reset: 7001,
  tls: 8443,
  second: 9090,
  dead: 9,
} as const
/** By the family that its name resolves to. */
export const apiHosts: Readonly<Record<Family, string>> = { ipv4: 'api.test', ipv6: 'api6.test' }

export type PodName = 'app' | 'api' | 'outside'

export interface Peer {
  /** Does what it is told. @throws {Error} its message is the code of what failed there. */
  tell<What extends keyof Orders>(
    what: What,
    ...given: Parameters<Orders[What]>
  ): Promise<Awaited<ReturnType<Orders[What]>>>
  stop(): Promise<void>
}

export interface LogLine {
  readonly [field: string]: unknown
}

export interface RunningSidecar {
  readonly process: ChildProcess
  /** What it has written so far. */
  readonly log: LogLine[]
  /** A line that is like this: the first that comes, or came behind so many others. */
  logged(like: LogLine, since?: number): Promise<LogLine>
}

export interface Ground {
  readonly pods: Readonly<Record<PodName, Pod>>
  readonly peers: Readonly<Record<PodName, Peer>>
  readonly sidecars: Readonly<Record<'app' | 'api', RunningSidecar>>
  readonly outsideTls: Certified
  readonly ca: string
  userToken(): string
  /** Metrics of a sidecar, summed over what matches. */
  count(pod: 'app' | 'api', pattern: RegExp): Promise<number>
  writeMesh(changes: object): Promise<void>
  close(): Promise<void>
}

export async function startGround(settings: object = {}): Promise<Ground> {
  await access(join(root, 'dist/onbehalf.cjs')).catch(() =>
    assert.fail('dist/onbehalf.cjs is missing: run `make build`'),
  )
  const closing: (() => Promise<void>)[] = []
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step()
  }
  try {
    const folder = await mkdtemp(join(tmpdir(), 'onbehalf-pods-'))
    closing.push(() => rm(folder, { recursive: true, force: true }))
    const names = families.map((family) => `${podAddress(1, family)} ${apiHosts[family]}`)
    const network: Network<PodName> = await makeNetwork(['app', 'api', 'outside'], names)
    closing.push(() => network.close())
    const { pods } = network
    const files = await prepare(folder)
    const writeMesh = (changes: object) =>
      writeFile(join(folder, 'mesh.json'), `${JSON.stringify({ ...meshObject(pods), ...changes })}\n`)
    await writeMesh(settings)
    await hand(folder)
    for (const name of ['app', 'api'] as const)
      await pods[name].exec(redirect, 'apply', '--uid', String(sidecarUid))
    const peers = {} as Record<PodName, Peer>
    for (const name of ['app', 'api', 'outside'] as const) {
      const peer = await startPeer(pods[name], folder)
      closing.push(() => peer.stop())
      peers[name] = peer
      await peer.tell('serveApp', ports.app)
    }
    const { outside } = peers
    await peers.app.tell('serveApp', ports.second)
    await outside.tell('serveEcho', ports.echo)
    await outside.tell('serveGreeting', ports.greeting)
    await outside.tell('serveReset', ports.reset)
    const { certificatePem, keyPem } = files.outsideTls
    await outside.tell('serveTls', ports.tls, files.ca, certificatePem, keyPem)
    const sidecars = {} as Record<'app' | 'api', RunningSidecar>
    for (const [name, service] of [
      ['app', 'App'],
      ['api', 'API'],
    ] as const) {
      sidecars[name] = await startSidecar(pods[name], folder, service)
      closing.push(() => kill(sidecars[name].process))
      await untilReady(peers[name])
    }
    return {
      pods,
      peers,
      sidecars,
      ...files,
      writeMesh,
      count: (pod, pattern) => count(peers[pod], pattern),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function prepare(folder: string) {
  const nowMs = Date.now()
  const issuer = 'mesh.test'
  const authority = await createAuthority({ issuer, days: 1, nowMs })
  const { certificatePem: ca, keyPem: caKeyPem } = authority
  const issue = (account: string, dnsNames: readonly string[]) =>
    issueAccount({ caPem: ca, caKeyPem, issuer: undefined, account, dnsNames: [...dnsNames], days: 1, nowMs })
  const account = await issue('api-access', [])
  const signer = makeSigner()
  const texts = {
    'ca.pem': ca,
    'app.pem': account.certificatePem,
    'app-key.pem': account.keyPem,
    'jwks.json': JSON.stringify({ keys: [signer.jwk] }),
    'package.json': '{"type": "module"}',
  }
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text)
  await copyFile(join(root, 'dist/onbehalf.cjs'), join(folder, 'onbehalf.cjs'))
  await copyFile(join(import.meta.dirname, 'peer.ts'), join(folder, 'peer.ts'))
  // The checkout may lie where no other user can read.
  await copyFile(process.execPath, join(folder, 'node'))
  const userToken = () => {
    const iat = Math.floor(Date.now() / 1000)
    const claims = userClaims({ aud: 'app.test', email: 'alice@companydomain.com', iat, exp: iat + 300 })
    return signer.sign(claims)
  }
  return { ca, outsideTls: await issue('outside', ['outside.test']), userToken }
}

/** What is secret to the sidecar's user, the rest to be read by all. */
async function hand(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o644)
  for (const name of ['.', 'node']) await chmod(join(folder, name), 0o755)
  await chmod(join(folder, 'app-key.pem'), 0o600)
  for (const name of ['.', 'app-key.pem']) await chown(join(folder, name), sidecarUid, sidecarUid)
}

function meshObject(pods: Readonly<Record<PodName, Pod>>) {
  const policy = [{ allow: { or: [{ user: { is: 'api-access' } }] } }]
  const apiRoute = (family: Family) => {
    const address = pods.api.addresses[family]
    const name = address.includes(':') ? `[${address}]` : address
    return {
      name: `API over ${family}`,
      service: 'API',
      from: `https://${apiHosts[family]}`,
      to: `http://${name}:${ports.app}`,
      pass_identity_headers: true,
      policy,
    }
  }
  const common = {
    listen: {
      inbound: '[::]:15006',
      outbound: ['127.0.0.1:15001', '[::1]:15001'],
      admin: '127.0.0.1:15000',
      probes: '[::]:15021',
    },
    app: `http://127.0.0.1:${ports.app}`,
  }
  return {
    issuers: [{ name: 'pomerium', issuer: ['hostOnly'], jwks: 'jwks.json' }],
    mesh: { issuer: 'mesh.test', ca: 'ca.pem' },
    log: { level: 'debug', format: 'json' },
    timeouts: { headers: '2s', connect: '1s', drain: '1s' },
    routes: [
      {
        name: 'App',
        from: 'https://app.test',
        to: `http://${pods.app.addresses.ipv4}:${ports.app}`,
        pass_identity_headers: true,
        policy: [{ allow: { or: [{ domain: { is: 'companydomain.com' } }] } }],
        account: 'api-access',
      },
      ...families.map(apiRoute),
    ],
    services: {
      App: {
        ...common,
        ports: { [ports.second]: `http://127.0.0.1:${ports.second}` },
        credential: { certificate: 'app.pem', key: 'app-key.pem' },
        admin_token_file: 'App.token',
      },
      API: { ...common, calls: [], admin_token_file: 'API.token' },
    },
  }
}

async function startPeer(pod: Pod, folder: string): Promise<Peer> {
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const
  const child = pod.start(appUid, [...stdio], join(folder, 'node'), join(folder, 'peer.ts'))
  const tell = await obedient(child)
  return {
    tell: (what, ...given) => tell({ what, with: given }) as never,
    stop: () => kill(child),
  }
}

async function startSidecar(pod: Pod, folder: string, service: string): Promise<RunningSidecar> {
  const args = [
    join(folder, 'onbehalf.cjs'),
    'run',
    '--config',
    join(folder, 'mesh.json'),
    '--service',
    service,
  ]
  const child = pod.start(sidecarUid, ['ignore', 'ignore', 'pipe'], join(folder, 'node'), ...args)
  const { stderr } = child
  assert.ok(stderr !== null)
  const log: LogLine[] = []
  let rest = ''
  stderr.setEncoding('utf8').on('data', (part: string) => {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    // What is no JSON, a warning of Node for one, is to be seen as it is.
    for (const line of lines) log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { line })
  })
  const isLike = (like: LogLine) => (line: LogLine) =>
    Object.entries(like).every(([field, value]) => line[field] === value)
  const logged = async (like: LogLine, since = 0) => {
    const late = AbortSignal.timeout(10_000)
    for (;;) {
      const found = log.slice(since).find(isLike(like))
      if (found !== undefined) return found
      if (child.exitCode !== null) assert.fail(`the sidecar ended:\n${JSON.stringify(log)}`)
      await Promise.race([
        once(stderr, 'data', { signal: late }),
        once(child, 'exit', { signal: late }),
      ]).catch(() =>
        assert.fail(
          `never logged: ${JSON.stringify(like)}\n${log.map((line) => JSON.stringify(line)).join('\n')}`,
        ),
      )
    }
  }
  await logged({ message: 'listening' })
  return { process: child, log, logged }
}

async function untilReady(peer: Peer): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { status } = await peer.tell('ask', { address: '127.0.0.1', port: 15_021, target: '/ready' })
    if (status === 200) return
    await pause(25)
  }
  assert.fail('not ready within 5 s')
}

async function count(peer: Peer, pattern: RegExp): Promise<number> {
  const { body } = await peer.tell('ask', { address: '127.0.0.1', port: 15_021, target: '/metrics' })
  const lines = body.split('\n').filter((line) => !line.startsWith('#') && pattern.test(line))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
