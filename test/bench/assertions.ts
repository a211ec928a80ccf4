// Signs assertions as Pomerium does, many at once and before they are needed, into files with one on each line.
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Hop } from './links.ts'
import type { SigningOrder } from './signing-worker.ts'

const worker = new URL('./signing-worker.ts', import.meta.url)

/** What stands in them, and who signs. */
export interface Signing {
  /** `aud`. */
  readonly host: string
  /** In turn. `issuer`: their `iss`, where it is not the host. */
  readonly keys: readonly { readonly kid: string; readonly privateKey: KeyObject; readonly issuer?: string }[]
  /** The way of each, as evidence beside it. */
  readonly hops: readonly Hop[]
}

/** A set of token files. No two assertions are the same: each has its own `jti`. */
export async function signAssertions(
  folder: string,
  name: string,
  count: number,
  { host, keys, hops }: Signing,
): Promise<string[]> {
  const workers = Math.min(availableParallelism(), Math.ceil(count / 1_000))
  const share = Math.ceil(count / workers)
  return Promise.all(
    Array.from({ length: workers }, async (_, number) => {
      const first = number * share
      const order: SigningOrder = {
        file: path.join(folder, `${name}-${number}.txt`),
        first,
        end: Math.min(first + share, count),
        host,
        keys: keys.map(({ kid, privateKey, issuer }) => ({ kid, privateKey, ...(issuer && { issuer }) })),
        hops,
      }
      await once(new Worker(worker, { workerData: order }), 'exit')
      return order.file
    }),
  )
}

/** What stands in a set of token files. */
export async function readTokens(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) => text.trimEnd().split('\n'))
}
