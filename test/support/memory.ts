// What this process has in use, without the garbage.
import { setFlagsFromString } from 'node:v8'
import { setTimeout } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects what nothing refers to any more. A compiler or a sweeper of V8 may still hold some of it for some turns. */
export const collect = runInNewContext('gc') as () => void

/** Octets in use, in V8's heap and beside it: the least that was seen in ten turns. */
export async function usedBytes(): Promise<number> {
  let least = Infinity
  for (let turn = 0; turn < 10; turn++) {
    await setTimeout(10)
    least = Math.min(least, usedNow())
  }
  return least
}

/** Octets in use once they are fewer than that; or, after many turns, as many as there are. */
export async function usedBytesOnceBelow(bytes: number): Promise<number> {
  for (let turn = 0; turn < 100; turn++) {
    const used = usedNow()
    if (used < bytes) return used
    await setTimeout(20)
  }
  return usedNow()
}

function usedNow(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
