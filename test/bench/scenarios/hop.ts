// One hop by two sidecars, the caller's outbound and the callee's inbound, at 1,000 requests/s with bodies of 1 KB; and
// by two nginx that verify nothing.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { exchange } from '../../../deploy/demo/exchange.ts'
import { certify, makeAuthority, meshIssuer, type Authority } from '../accounts.ts'
import { readTokens, signAssertions } from '../assertions.ts'
import { ownFolder, type Bed } from '../bed.ts'
import { appRoute, pomeriumOf, serviceOf, writeMesh, type Members, type Ports } from '../contenders/mesh.ts'
import { nginx } from '../contenders/nginx.ts'
import { sidecarPorts, startSidecar, type StartedSidecar } from '../contenders/onbehalf.ts'
import { runOpenLoop, type OpenLoopOrder, type OpenLoopResults } from '../open-loop/open-loop.ts'
import { signingOf } from '../plans.ts'
import { cpuMs } from '../proc.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { median } from '../statistics.ts'
import { assertionHeader, host, userCount } from '../users.ts'

/** On whose behalf the calls are: nobody's, of users who called before, or of another request of a user each. */
const variants = ['account', 'seen', 'new'] as const
type Variant = (typeof variants)[number]
const ways = ['nginx', ...variants] as const

export interface HopResults {
  readonly requests_per_second: number
  readonly body_bytes: number
  /** `nginx`: two of them, one behind the other, which verify nothing; missing in older results. */
  readonly medians: Readonly<Record<Variant, HopMedians>> & { readonly nginx?: HopMedians }
  readonly rounds: readonly HopRound[]
}

export interface HopMedians {
  /** Of both proxies together. */
  readonly vcpu: number
  /** Over the direct call of the same round. */
  readonly added_p50_ms: number
  readonly added_p99_ms: number
}

type Measured = OpenLoopResults & { readonly vcpu: number }
type Way = (typeof ways)[number]

interface HopRound {
  readonly round: number
  readonly direct: OpenLoopResults
  readonly hops: Readonly<Record<Way, Measured>>
}

const rate = 1_000
/**
 * Code is compiled by how often it runs, not by how long: at so low a rate it takes longer than elsewhere, and what is
 * measured before would be that, on the core that both proxies share. A higher rate would be more than they carry.
 */
const warmupTimes = 12
const leadSeconds = 1
const bodyBytes = 1_024
const connections = 64
export const calleeHost = 'api.localhost.pomerium.io'
const account = 'api-access'
const settleMs = 1_000
/** The users' requests are over when their handles are used, and are to be known all the same. */
const lasting = { limits: { session_bytes: '1GiB' }, timeouts: { linger: '1h' } }

export const hop: Scenario<'hop', HopResults> = {
  name: 'hop',
  commands: [],
  run: async (scene) => {
    const authority = await makeAuthority(scene.bed)
    const rounds: HopRound[] = []
    for (let round = 1; round <= scene.options.rounds; round++) {
      rounds.push(await measureRound(scene, authority, round))
    }
    const medians = Object.fromEntries(ways.map((way) => [way, mediansOf(rounds, way)]))
    return {
      requests_per_second: rate,
      body_bytes: bodyBytes,
      medians: medians as HopResults['medians'],
      rounds,
    }
  },
}

async function measureRound(scene: Scene, authority: Authority, round: number): Promise<HopRound> {
  const { bed, options } = scene
  const direct = await runOpenLoop(bed, { ...orderFor(bed.upstreamPort, '/1k'), seconds: options.seconds })
  const hops: [Way, Measured][] = []
  for (const way of ways) {
    const measured = await (way === 'nginx' ? measureNginx(scene) : measureHop(scene, authority, way))
    const p99 = (measured.latency.p99_ms - direct.latency.p99_ms).toFixed(2)
    console.error(
      `hop, round ${round} of ${options.rounds}, ${way}: ${measured.vcpu.toFixed(3)} vCPU, p99 + ${p99} ms`,
    )
    hops.push([way, measured])
  }
  return { round, direct, hops: Object.fromEntries(hops) as HopRound['hops'] }
}

/** The floor of two proxies on this machine: at so low a rate they are woken for each request. */
async function measureNginx(scene: Scene): Promise<Measured> {
  const { bed } = scene
  const callee = await nginx.start(bed)
  const caller = await nginx.start({ ...bed, upstreamPort: callee.port })
  try {
    return await measurePair(scene, [caller, callee], orderFor(caller.port, '/1k'))
  } finally {
    await Promise.all([caller.stop(), callee.stop()])
  }
}

async function measureHop(scene: Scene, authority: Authority, variant: Variant): Promise<Measured> {
  const { bed, options } = scene
  const { caller, callee } = await startPair(bed, authority, { settings: lasting })
  try {
    await pause(settleMs)
    const counts = {
      account: [0, 0],
      seen: [userCount, 0],
      new: [rate * warmupTimes * options.warmupSeconds, rate * (leadSeconds + options.seconds)],
    }
    const [before = 0, during = 0] = counts[variant]
    const first = await handlesFor(bed, caller, before)
    const second = during === 0 ? first : await handlesFor(bed, caller, during)
    const order = orderFor(caller.ports.outbound, `http://${calleeHost}/1k`)
    return await measurePair(scene, [caller, callee], order, { first, second })
  } finally {
    await Promise.all([caller.stop(), callee.stop()])
  }
}

/** @param lineFiles for the warm-up, and for what is measured. */
async function measurePair(
  { bed, options }: Scene,
  pair: readonly { readonly pid: number }[],
  order: Omit<OpenLoopOrder, 'seconds'>,
  lineFiles: { readonly first?: string | undefined; readonly second?: string | undefined } = {},
): Promise<Measured> {
  const { first, second } = lineFiles
  const withLines = (file: string | undefined) => (file === undefined ? order : { ...order, lineFile: file })
  const { seconds, warmupSeconds } = options
  await runOpenLoop(bed, { ...withLines(first), leadSeconds: 0, seconds: warmupTimes * warmupSeconds })
  const usedMs = async () => (await Promise.all(pair.map(({ pid }) => cpuMs(pid)))).reduce((a, b) => a + b, 0)
  const beforeMs = await usedMs()
  const results = await runOpenLoop(bed, { ...withLines(second), seconds })
  // Of the time that the requests are to take: where they are answered late, they cost no less for that.
  return { vcpu: ((await usedMs()) - beforeMs) / 1_000 / (leadSeconds + seconds), ...results }
}

function orderFor(port: number, target: string): Omit<OpenLoopOrder, 'seconds'> {
  const head = `POST ${target} HTTP/1.1\r\nHost: ${calleeHost}\r\nUser-Agent: bench\r\n`
  return { port, rate, leadSeconds, connections, head, bodyBytes }
}

export interface PairPorts {
  readonly caller: Ports
  readonly callee: Ports
}

export interface PairShape {
  readonly ports?: PairPorts
  /** The caller's app. Default: the upstream. */
  readonly appPort?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Beside what both need, at the top of the mesh file. */
  readonly settings?: Members
}

export async function pairPorts(): Promise<PairPorts> {
  return { caller: await sidecarPorts(), callee: await sidecarPorts() }
}

export interface Pair {
  readonly caller: StartedSidecar
  readonly callee: StartedSidecar
}

/** The sidecars of App, who calls, and of API. */
export async function startPair(bed: Bed, authority: Authority, shape: PairShape = {}): Promise<Pair> {
  const { ports = await pairPorts(), appPort = bed.upstreamPort, environment = {}, settings = {} } = shape
  const { caller: callerPorts, callee: calleePorts } = ports
  const credential = await writeCredential(bed, authority)
  const file = await writeMesh(bed, {
    issuers: [pomeriumOf(bed)],
    mesh: { issuer: meshIssuer, ca: authority.file },
    routes: [{ ...appRoute(callerPorts.inbound), account }, calleeRoute(calleePorts.inbound)],
    services: {
      App: { ...serviceOf(callerPorts, appPort), credential },
      API: { ...serviceOf(calleePorts, bed.upstreamPort), calls: [], admin_token_file: 'api-admin-token' },
    },
    log: { level: 'warn', access: 'off' },
    ...settings,
  })
  const caller = await startSidecar(bed, { file, service: 'App', ports: callerPorts }, { environment })
  const callee = await startSidecar(bed, { file, service: 'API', ports: calleePorts }, { environment })
  return { caller, callee }
}

function calleeRoute(inbound: number): Members {
  return {
    name: 'API',
    from: `https://${calleeHost}`,
    to: `http://127.0.0.1:${inbound}`,
    pass_identity_headers: true,
    policy: [{ allow: { and: [{ user: { is: account } }, { issuer: { is: 'mesh' } }] } }],
  }
}

async function writeCredential(bed: Bed, authority: Authority): Promise<Members> {
  const { certificatePem, keyPem } = await certify(authority, account)
  const folder = await ownFolder(bed.folder, 'credential')
  const files = { certificate: path.join(folder, 'certificate.pem'), key: path.join(folder, 'key.pem') }
  await writeFile(files.certificate, certificatePem)
  await writeFile(files.key, keyPem, { mode: 0o600 })
  return files
}

/** The handles of so many users' requests to the caller's app, in a file; undefined: of none. */
async function handlesFor(bed: Bed, caller: StartedSidecar, count: number): Promise<string | undefined> {
  if (count === 0) return undefined
  const folder = await ownFolder(bed.folder, 'handles')
  const tokens = await readTokens(await signAssertions(folder, 'users', count, signingOf(bed)))
  const handles: string[] = []
  const atOnce = 16
  for (let start = 0; start < tokens.length; start += atOnce) {
    const asked = tokens.slice(start, start + atOnce).map((token) => handleOf(caller.ports.inbound, token))
    handles.push(...(await Promise.all(asked)))
  }
  const file = path.join(folder, 'handles.txt')
  await writeFile(file, handles.map((handle) => `X-Onbehalf-Handle: ${handle}\n`).join(''))
  return file
}

async function handleOf(port: number, token: string): Promise<string> {
  const headers = [
    ['Host', host],
    [assertionHeader, token],
  ] as const
  const { status, body } = await exchange({ port, target: '/handle', headers })
  if (status !== 200 || body === '') throw new Error(`no handle, but ${status}: ${body}`)
  return body
}

function mediansOf(rounds: readonly HopRound[], way: Way): HopMedians {
  const of = (read: (hop: Measured, direct: OpenLoopResults) => number) =>
    median(rounds.map(({ hops, direct }) => read(hops[way], direct)))
  return {
    vcpu: of((each) => each.vcpu),
    added_p50_ms: of((each, direct) => each.latency.p50_ms - direct.latency.p50_ms),
    added_p99_ms: of((each, direct) => each.latency.p99_ms - direct.latency.p99_ms),
  }
}
