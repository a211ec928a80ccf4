// Redis there, killed and frozen: what calls carry then, and that none of them waits for it.
import { setTimeout as pause } from 'node:timers/promises'
import { loadAccount } from './account.ts'
import { readFigure } from './ask-sidecar.ts'
import { eventually } from './ready.ts'
import { assertionAt, isSoForAll, type Happening, type Scene, type Seen } from './scene.ts'

const quietMs = 2_000
const killedMs = 3_000
const frozenMs = 2_000
/** Who waits for a frozen Redis waits longer than usual by more than this. */
const patienceMs = 1_000

export function listOutages(scene: Scene): Happening[] {
  return [
    { title: 'certificates are found by their kid', happen: () => findByKid(scene) },
    { title: `Redis is killed, and is back after ${killedMs / 1000} s`, happen: () => kill(scene) },
    { title: `Redis is frozen for ${frozenMs / 1000} s`, happen: () => freeze(scene) },
  ]
}

async function findByKid({ topology, load }: Scene): Promise<Seen> {
  const { folder, meshIssuer, services } = topology
  const caller = await loadAccount(folder, services.API.account ?? '', meshIssuer)
  const bytesWith = (await caller.mint(services.Ledger.host)).length
  const { last } = await load.during(() => pause(quietMs))
  const { bytes = 0, certificates } = assertionAt(last, 'Ledger') ?? {}
  return {
    text: `the assertion that Ledger gets: ${bytes} bytes, ${bytesWith - bytes} fewer than with its certificate`,
    isRight: certificates === 0 && bytes > 0 && bytes < bytesWith,
  }
}

async function kill({ topology, redis, load }: Scene): Promise<Seen> {
  const storeIs = (up: number) => () =>
    isSoForAll(topology, async (service) => (await readFigure(service, 'onbehalf_store_up')) === up)
  await eventually(storeIs(1), 'every sidecar has its store')
  await redis.kill()
  const { last } = await load.during(() => pause(killedMs))
  const isSeen = await storeIs(0)()
  await redis.restart()
  await eventually(storeIs(1), 'every sidecar has its store again')
  const travels = assertionAt(last, 'Ledger')?.certificates === 1
  return {
    text: `onbehalf_store_up 1, ${isSeen ? '0' : 'still 1'}, 1; meanwhile certificates ${travels ? 'travel' : 'DO NOT TRAVEL'}`,
    isRight: isSeen && travels,
  }
}

async function freeze({ topology, redis, load }: Scene): Promise<Seen> {
  const before = await load.during(() => pause(quietMs))
  redis.freeze()
  const meanwhile = await load.during(() => pause(frozenMs)).finally(() => redis.thaw())
  await eventually(
    () => isSoForAll(topology, async (service) => (await readFigure(service, 'onbehalf_store_up')) === 1),
    'every sidecar has its store again',
  )
  return {
    text: `p99 ${before.p99Ms.toFixed(0)} ms before, ${meanwhile.p99Ms.toFixed(0)} ms meanwhile`,
    isRight: meanwhile.p99Ms < before.p99Ms + patienceMs,
  }
}
