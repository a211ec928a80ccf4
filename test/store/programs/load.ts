// The load over a store elsewhere, in a process of its own: says when it runs, and, told to end, what came of it.
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startMesh } from '../../support/mesh.ts'
import { eventually, metric } from '../ground.ts'
import { startChainLoad } from '../load.ts'

export interface LoadReport {
  readonly served: number
  readonly failed: readonly (readonly [string, number])[]
  readonly admitted: readonly string[]
  /** Whether the store answered: at the start, in the middle, at the end. */
  readonly up: readonly (number | undefined)[]
}

const url = process.argv[2] as string
const closers: (() => unknown)[] = []
const context = { after: (close: () => unknown) => closers.unshift(close) } as unknown as TestContext

const settings = { store: { redis: { url } }, timeouts: { linger: '5s', drain: '5s' } }
const mesh = await startMesh(context, { settings, services: { App: { share_with: ['App'] } } })
const load = await startChainLoad(mesh)
const isUp = () => metric(mesh.sidecars.Ledger, 'onbehalf_store_up')
const becomes = (value: number) => eventually(async () => (await isUp()) === value, `the store is ${value}`)

await pause(1_500)
const up = [await isUp()]
process.stdout.write('runs\n')
await becomes(0)
up.push(await isUp())
process.stdout.write('cut\n')
await becomes(1)
await pause(1_000)
up.push(await isUp())
const { served, failed, admitted } = await load.end()
const report: LoadReport = { served, failed: [...failed], admitted, up }
process.stdout.write(`${JSON.stringify(report)}\n`)
for (const close of closers) await close()
