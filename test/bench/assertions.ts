// Signs assertions as Pomerium does, many at once and before they are needed, into files with one on each line.
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SigningKey } from '../../deploy/demo/pomerium-keys.ts'
import type { SigningOrder } from './signing-worker.ts'

const worker = new URL('./signing-worker.ts', import.meta.url)

/** A set of token files. No two assertions are the same: each has its own `jti`. */
export async function signAssertions(
  folder: string,
  name: string,
  count: number,
  key: SigningKey,
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
        kid: key.kid,
        privateKey: key.privateKey,
      }
      await once(new Worker(worker, { workerData: order }), 'exit')
      return order.file
    }),
  )
}
