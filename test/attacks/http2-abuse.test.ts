// The attacker speaks HTTP/2 so as to cost more than it pays: resets, floods, windows of zero, bombs of headers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { mebibyte, residentOf } from '../endurance/resident.ts'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { send } from '../support/client.ts'
import { startMesh } from '../support/mesh.ts'
import { asUser } from './attack.ts'
import type { Order } from './http2-attacks.ts'

/** More than any of these may make a sidecar grow. */
const maxGrowthBytes = 160 * mebibyte

interface Target {
  readonly sidecar: SidecarProcess
  /** Serves an honest request in HTTP/1.1, and says how many milliseconds it took. */
  readonly honest: () => Promise<number>
}

async function start(t: TestContext): Promise<Target> {
  const mesh = await startMesh(t, { run: [] })
  const sidecar = await startSidecarProcess(t, mesh, 'App')
  const headers = await asUser(mesh, 'alice')
  const honest = async () => {
    const startedMs = performance.now()
    assert.equal((await send({ port: sidecar.inbound, headers })).status, 200)
    return performance.now() - startedMs
  }
  return { sidecar, honest }
}

/** Whether each connection was ended over it. */
async function attackWith(order: Order): Promise<boolean[]> {
  const worker = new Worker(new URL('./http2-attacks.ts', import.meta.url), { workerData: order })
  const [ended] = (await once(worker, 'message')) as [boolean[]]
  await worker.terminate()
  return ended
}

/** Undefined: what it sends is contained, whether or not the connection is. */
const attacks: Readonly<Record<string, boolean | undefined>> = {
  'rapid reset (CVE-2023-44487)': true,
  'a flood of CONTINUATION (CVE-2024-27983)': true,
  'a flood of SETTINGS': true,
  'a flood of PING that nobody reads the answers of': true,
  'a bomb of headers that compress well': undefined,
  'answers that nobody has a window for': undefined,
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

for (const [name, isEnded] of Object.entries(attacks)) {
  test(`${name} is contained: others are served meanwhile, and memory is bounded`, async (t) => {
    const { sidecar, honest } = await start(t)
    const quiet: number[] = []
    for (let i = 0; i < 100; i++) quiet.push(await honest())
    const before = residentOf(sidecar.pid)
    const state = { isOver: false }
    const attacking = attackWith({ name, port: sidecar.inbound, connections: 4 }).finally(() => {
      state.isOver = true
    })
    const beside: number[] = []
    while (!state.isOver) beside.push(await honest())
    const ended = await attacking
    if (isEnded !== undefined) assert.deepEqual([...new Set(ended)], [isEnded])
    await honest()
    const grown = residentOf(sidecar.pid) - before
    assert.ok(grown < maxGrowthBytes, `grew by ${Math.round(grown / mebibyte)} MiB`)
    const [ofQuiet, ofBeside] = [median(quiet).toFixed(2), median(beside).toFixed(2)]
    const what = `${beside.length} honest requests meanwhile, median ${ofBeside} ms (${ofQuiet} ms before)`
    t.diagnostic(`${what}, ${Math.round(grown / mebibyte)} MiB more`)
  })
}
