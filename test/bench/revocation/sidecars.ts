// A thread of simulated sidecars: each with its own connections to the Redis, its own list, and the real decision on
// what is revoked. Says when each of them refused, and how many requests of the revoked user it let in after that.
import { parentPort, workerData } from 'node:worker_threads'
import { verifyToken, type VerifyOptions } from '../../../shared/assertion/verify.ts'
import { Refusal } from '../../../shared/errors.ts'
import { createRevocationWriter } from '../../../sidecar/revocation-writer.ts'
import { RevocationSync } from '../../../sidecar/revocation-sync.ts'
import { RevocationList } from '../../../sidecar/revocations.ts'
import { openStore } from '../../../sidecar/store/open-store.ts'
import type { RedisSettings } from '../../../shared/config/mesh.ts'
import { hosts, nothingElseIsKnown, peer, snapshotOf, userToken } from '../../support/tokens.ts'

export interface SidecarsOrder {
  readonly settings: RedisSettings
  readonly count: number
}

/** `user`: has a valid assertion from now on, of whom the next revocation is. */
export interface Prepare {
  readonly user: string
}

export type Said =
  | { readonly kind: 'ready' | 'prepared' }
  | {
      readonly kind: 'refused'
      /** By the clock that all threads share; milliseconds. */
      readonly atMs: readonly number[]
      /** Of how many requests each, after it was known. */
      readonly checks: number
      readonly admitted: number
    }

const checks = 50
const { settings, count } = workerData as SidecarsOrder
const port = parentPort
if (port === null) throw new Error('this is a thread of the bench')
const say = (said: Said) => port.postMessage(said)
const log = { level: 'error', write: () => undefined } as const

interface Sidecar {
  readonly list: RevocationList
  onNews: () => void
}

async function startSidecar(): Promise<Sidecar> {
  const store = await openStore(settings, { now: Date.now, log })
  const list = new RevocationList({ now: Date.now })
  const sidecar: Sidecar = { list, onNews: () => undefined }
  list.watch(() => sidecar.onNews())
  const sync = new RevocationSync({
    store,
    list,
    write: createRevocationWriter(store, () => list.floorSeconds),
    log,
    now: Date.now,
    random: Math.random,
    maxAgeMs: () => 0,
    onRejected: () => undefined,
  })
  const { promise: heard, resolve } = Promise.withResolvers<void>()
  store.subscribe('revocations', (message) => {
    if (message === undefined) resolve()
  })
  await sync.start()
  await heard
  await sync.reconcile()
  return sidecar
}

const snapshot = snapshotOf()

function isAdmitted(token: string, revocations: RevocationList): boolean {
  const options: VerifyOptions = {
    role: 'assertion',
    audiences: new Set([hosts.App]),
    peer,
    snapshot,
    revocations,
    nowMs: Date.now(),
    missing: nothingElseIsKnown,
  }
  try {
    verifyToken(token, options)
    return true
  } catch (error) {
    if (error instanceof Refusal && error.code === 'assertion_revoked') return false
    throw error
  }
}

/** When it refuses, and how many requests it lets in after that. */
function refusalOf(sidecar: Sidecar, token: string): Promise<{ atMs: number; admitted: number }> {
  return new Promise((resolve) => {
    sidecar.onNews = () => {
      if (isAdmitted(token, sidecar.list)) return
      const atMs = performance.timeOrigin + performance.now()
      sidecar.onNews = () => undefined
      let admitted = 0
      let left = checks
      const check = () => {
        if (isAdmitted(token, sidecar.list)) admitted++
        if (--left === 0) resolve({ atMs, admitted })
        else setImmediate(check)
      }
      check()
    }
  })
}

const sidecars = await Promise.all(Array.from({ length: count }, startSidecar))
port.on('message', (order: Prepare) => void prepare(order))
say({ kind: 'ready' })

async function prepare({ user }: Prepare): Promise<void> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const token = userToken({ sub: user, iat: nowSeconds - 1, exp: nowSeconds + 300 })
  for (const { list } of sidecars) {
    if (!isAdmitted(token, list)) throw new Error('a sidecar refuses who is not revoked')
  }
  const refusals = sidecars.map((sidecar) => refusalOf(sidecar, token))
  say({ kind: 'prepared' })
  const all = await Promise.all(refusals)
  const admitted = all.reduce((sum, each) => sum + each.admitted, 0)
  say({ kind: 'refused', atMs: all.map(({ atMs }) => atMs), checks, admitted })
}
