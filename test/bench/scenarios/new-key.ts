// From the publication of an issuer's new key until 100 sidecars on one Redis know it: one of them is asked for it, and
// tells the others.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { generateSigningKey, type SigningKey } from '../../../deploy/demo/pomerium-keys.ts'
import { IssuerKeySource } from '../../../sidecar/keys/issuer-keys.ts'
import { hintChannel, KeySharing } from '../../../sidecar/keys/key-sharing.ts'
import { openStore } from '../../../sidecar/store/open-store.ts'
import type { Store } from '../../../sidecar/store/store.ts'
import { issuerOf } from '../../support/tokens.ts'
import { startRedis } from '../redis.ts'
import { redisAt, sidecarCount } from '../revocation/measure.ts'
import type { Scenario } from '../scenario.ts'
import { percentile } from '../statistics.ts'

export interface NewKeyResults {
  readonly sidecars: number
  readonly rounds: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

/** As many hints are heeded one after the other. */
const rounds = 5
/** Between two fetches for unknown keys. */
const restMs = 1_500
const deadlineMs = 10_000

export const newKey: Scenario<'new-key', NewKeyResults> = {
  name: 'new-key',
  commands: ['redis-server'],
  run: async ({ bed }) => {
    const redis = await startRedis(bed)
    const issuer = await startIssuer()
    const sidecars: Sidecar[] = []
    try {
      for (let count = 0; count < sidecarCount; count++) {
        sidecars.push(await startSidecar(issuer.url, redis.port))
      }
      const latenciesMs: number[] = []
      for (let round = 0; round < rounds; round++) {
        await pause(restMs)
        latenciesMs.push(...(await rotate(issuer, sidecars, round)))
      }
      return resultsOf(latenciesMs)
    } finally {
      await Promise.all(sidecars.map(({ close }) => close()))
      issuer.server.close()
      issuer.server.closeAllConnections()
      await redis.stop()
    }
  },
}

interface Issuer {
  readonly server: Server
  readonly url: string
  readonly keys: SigningKey[]
}

async function startIssuer(): Promise<Issuer> {
  const keys = [await generateSigningKey('ES256')]
  const server = createServer((_, response) => {
    response.setHeader('cache-control', 'max-age=3600')
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`, keys }
}

/** What of a sidecar has to do with it: its connections to the Redis, and its source of the issuer's keys. */
interface Sidecar {
  readonly source: IssuerKeySource
  onKeys: () => void
  readonly close: () => Promise<void>
}

const nobody = { trustsSomeone: false, sign: () => undefined, verify: () => undefined }
const log = { level: 'error', write: () => undefined } as const

async function startSidecar(url: string, redisPort: number): Promise<Sidecar> {
  const store = await openStore(redisAt(redisPort), { now: Date.now, log })
  const source = new IssuerKeySource({
    issuer: issuerOf({ jwks: { kind: 'url', url } }),
    ca: undefined,
    now: Date.now,
    sharing: new KeySharing({ store, url, seal: nobody, now: Date.now }),
    onKeys: () => sidecar.onKeys(),
    onFailure: () => undefined,
  })
  const sidecar: Sidecar = {
    source,
    onKeys: () => undefined,
    close: async () => {
      await source.close()
      await store.close()
    },
  }
  await listen(store, source)
  await source.start()
  return sidecar
}

/** Resolves when hints are heard. */
async function listen(store: Store, source: IssuerKeySource): Promise<void> {
  const { promise: heard, resolve } = Promise.withResolvers<void>()
  store.subscribe(hintChannel, (hint) => {
    if (hint === undefined) resolve()
    else void source.hear(hint)
  })
  await heard
}

/** How long each sidecar takes to know a key from when it is published. */
async function rotate(issuer: Issuer, sidecars: readonly Sidecar[], round: number): Promise<number[]> {
  const key = await generateSigningKey('ES256')
  const startMs = performance.now()
  issuer.keys.push(key)
  const known = sidecars.map((sidecar) => knows(sidecar, key.kid).then(() => performance.now() - startMs))
  const late = pause(deadlineMs, 'late' as const, { ref: false })
  await sidecars[round % sidecars.length]?.source.refetch(key.kid)
  const latenciesMs = await Promise.race([Promise.all(known), late])
  if (latenciesMs === 'late') throw new Error(`not all sidecars knew a new key after ${deadlineMs} ms`)
  return latenciesMs
}

function knows(sidecar: Sidecar, keyId: string): Promise<void> {
  return new Promise((resolve) => {
    sidecar.onKeys = () => {
      if (sidecar.source.current?.keys.byId.has(keyId) === true) resolve()
    }
  })
}

function resultsOf(latenciesMs: readonly number[]): NewKeyResults {
  const [p50, p99, most] = [50, 99, 100].map((percent) => percentile(latenciesMs, percent))
  return {
    sidecars: sidecarCount,
    rounds,
    p50_ms: p50 as number,
    p99_ms: p99 as number,
    max_ms: most as number,
  }
}
