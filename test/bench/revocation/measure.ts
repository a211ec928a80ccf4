// From the write of a revocation until each of 100 sidecars refuses; told by message, and where the message is lost.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { freePorts } from '../../../deploy/demo/ports.ts'
import { makeEntry } from '../../../shared/revocation.ts'
import type { RedisSettings } from '../../../shared/config/mesh.ts'
import { reconcileMs } from '../../../sidecar/revocation-sync.ts'
import { writeRevocations } from '../../../sidecar/revocation-writer.ts'
import { openStore } from '../../../sidecar/store/open-store.ts'
import type { Store } from '../../../sidecar/store/store.ts'
import { versionOf } from '../conditions.ts'
import { percentile } from '../statistics.ts'
import type { Prepare, Said, SidecarsOrder } from './sidecars.ts'

/** Half of a sidecar's threads each, so that no one thread delivers to all. */
const threads = 2
export const sidecarCount = 100
const rounds = { told: 50, lost: 5 } as const
/** Between two, so that one does not wait for the other. */
const restMs = 50

export interface Latency {
  readonly rounds: number
  /** One for each sidecar in each round. */
  readonly samples: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

export interface RevocationResults {
  readonly sidecars: number
  readonly redis: string
  /** At once to who listens, as it always is. */
  readonly told: Latency
  /** The message suppressed: found when all are read. */
  readonly lost: Latency & { readonly interval_ms: number }
  readonly requests_after_it_was_known: number
  readonly admitted_after_it_was_known: number
}

type Refused = Extract<Said, { kind: 'refused' }>

/** @throws Error where there is no redis-server, or a sidecar refuses whom it should not */
export async function measureRevocation(): Promise<RevocationResults> {
  const redis = versionOf('redis-server', '--version')
  if (redis === undefined) throw new Error('redis-server is not installed')
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-bench-redis-'))
  const [port = 0] = await freePorts(1)
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const server = spawn('redis-server', args, { stdio: 'ignore' })
  process.once('exit', () => server.kill())
  const settings = redisAt(port)
  const workers: Worker[] = []
  let store: Store | undefined
  try {
    store = await openStore(settings, { now: Date.now, log: { level: 'error', write: () => undefined } })
    while (!store.isUp) await pause(20)
    for (let i = 0; i < threads; i++) workers.push(startThread(settings))
    await Promise.all(workers.map((worker) => next(worker, 'ready')))
    const told = await runRounds(store, workers, 'told')
    const lost = await runRounds(store, workers, 'lost')
    const all = [...told.refused, ...lost.refused]
    return {
      sidecars: sidecarCount,
      redis,
      told: latencyOf(told.latenciesMs, rounds.told),
      lost: { ...latencyOf(lost.latenciesMs, rounds.lost), interval_ms: reconcileMs },
      requests_after_it_was_known: sum(all.map(({ checks, atMs }) => checks * atMs.length)),
      admitted_after_it_was_known: sum(all.map(({ admitted }) => admitted)),
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
    await store?.close()
    const ended = once(server, 'exit')
    if (server.exitCode === null && server.kill()) await ended
    await rm(folder, { recursive: true, force: true })
  }
}

/** On this machine, for anybody. */
export function redisAt(port: number): RedisSettings {
  return {
    kind: 'redis',
    servers: { kind: 'standalone', address: { host: '127.0.0.1', port } },
    tls: undefined,
    user: {},
    revoker: undefined,
    prefix: 'onbehalf',
  }
}

function startThread(settings: RedisSettings): Worker {
  const workerData: SidecarsOrder = { settings, count: sidecarCount / threads }
  return new Worker(path.join(import.meta.dirname, 'sidecars.ts'), { workerData })
}

async function next<Kind extends Said['kind']>(
  worker: Worker,
  kind: Kind,
): Promise<Extract<Said, { kind: Kind }>> {
  const [said] = (await once(worker, 'message')) as [Said]
  if (said.kind !== kind) throw new Error(`a thread says ${said.kind} where ${kind} is expected`)
  return said as Extract<Said, { kind: Kind }>
}

async function runRounds(store: Store, workers: readonly Worker[], which: keyof typeof rounds) {
  const latenciesMs: number[] = []
  const refused: Refused[] = []
  for (let round = 0; round < rounds[which]; round++) {
    const user = `${which}-${round}`
    const order: Prepare = { user }
    const prepared = workers.map((worker) => next(worker, 'prepared'))
    for (const worker of workers) worker.postMessage(order, [])
    await Promise.all(prepared)
    const said = workers.map((worker) => next(worker, 'refused'))
    const entry = makeEntry({ kind: 'subject', issuer: 'pomerium', value: user }, 3_600, Date.now())
    const writtenMs = performance.timeOrigin + performance.now()
    await writeRevocations(store, Date.now() / 1000, [entry], which === 'told')
    for (const each of await Promise.all(said)) {
      refused.push(each)
      latenciesMs.push(...each.atMs.map((atMs) => atMs - writtenMs))
    }
    await pause(restMs + Math.random() * restMs)
  }
  return { latenciesMs, refused }
}

function latencyOf(latenciesMs: readonly number[], count: number): Latency {
  return {
    rounds: count,
    samples: latenciesMs.length,
    p50_ms: percentile(latenciesMs, 50),
    p99_ms: percentile(latenciesMs, 99),
    max_ms: Math.max(...latenciesMs),
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

const ms = (value: number) => value.toFixed(0)

/** For the README. */
export function revocationInWords(results: RevocationResults): string {
  const { sidecars, redis, told, lost } = results
  return (
    `A revocation takes effect on ${sidecars} sidecars on one Redis ${redis} within ${ms(told.p50_ms)} ms (p50), ` +
    `${ms(told.p99_ms)} ms (p99), ${ms(told.max_ms)} ms (longest of ${told.samples}); where its message is lost, within ` +
    `${ms(lost.p50_ms)} ms (p50), ${ms(lost.p99_ms)} ms (p99), the interval being ${lost.interval_ms} ms. Of ` +
    `${results.requests_after_it_was_known} requests after a sidecar knew, ${results.admitted_after_it_was_known} were let in.`
  )
}
