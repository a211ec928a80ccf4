// `make bench`: what the sidecar costs, beside nginx and HAProxy in the same run, and beside what is to be reached.
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { builtProgram, makeBed } from './bed.ts'
import { makeChart } from './chart.ts'
import { conditionsOf, lengthsOf, versionOf } from './conditions.ts'
import { findContenders } from './contenders/available.ts'
import { readOptions } from './options.ts'
import { createProcesses, type Processes } from './processes.ts'
import { profile } from './profiling.ts'
import { toMarkdown } from './report.ts'
import { toJson, withOnly, type Results } from './results.ts'
import type { Scene } from './scenario.ts'
import { scenarios } from './scenarios/all.ts'

const resultsFile = path.join(import.meta.dirname, 'results.json')
const chartFile = path.join(import.meta.dirname, 'chart.svg')

process.exitCode = await main()
// Whatever an interrupted run left pending is of no interest any more.
process.exit()

async function main(): Promise<number> {
  const obstacle = obstacleToAll()
  if (obstacle !== undefined) {
    console.error(`Nothing can be measured: ${obstacle}.`)
    return 1
  }
  const interrupted = signalled()
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-bench-'))
  const processes = createProcesses(folder)
  process.once('exit', () => processes.endAll())
  let status = 1
  try {
    status = await Promise.race([run(processes, folder), interrupted])
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
  }
  await processes.stopAll()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  return status
}

/** What stands in the way of measuring anything; undefined: nothing. */
function obstacleToAll(): string | undefined {
  if (process.platform !== 'linux') return 'CPU time is read from /proc, which only Linux has'
  if (cpus().length < 2) return 'it needs two cores, one for the proxy and one for the load'
  if (!existsSync(builtProgram)) return 'dist/onbehalf.cjs is missing: run `make build` first'
  const commands = { wrk: '-v', nginx: '-v', taskset: '--version' }
  const absent = Object.entries(commands).filter(([command, flag]) => versionOf(command, flag) === undefined)
  return absent.length === 0
    ? undefined
    : `not installed: ${absent.map(([command]) => command).join(', ')} (nginx is the upstream, too)`
}

/** Resolves to the exit status once someone asks the bench to stop. */
function signalled(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(130))
  })
}

async function run(processes: Processes, folder: string): Promise<number> {
  const names = scenarios.map(({ name }) => name)
  const options = readOptions(process.env, names)
  const bed = await makeBed(processes, folder)
  if (options.profile) {
    await profile(bed, options)
    return 0
  }
  const { contenders, leftOut } = await findContenders(bed)
  for (const [name, why] of Object.entries(leftOut)) console.error(`${name} is left out: ${why}`)
  const measured = await measureAll({ bed, options, contenders }, leftOut)
  const { only } = options
  const isBeside = only !== undefined && existsSync(resultsFile)
  const results = isBeside ? withOnly(await knownResults(), only, measured) : measured
  await writeFile(resultsFile, toJson(results))
  await writeFile(chartFile, makeChart(results))
  console.log(toMarkdown(results))
  return Object.keys(measured.scenarios).length === 0 ? 1 : 0
}

async function knownResults(): Promise<Results> {
  return JSON.parse(await readFile(resultsFile, 'utf8')) as Results
}

/** One scenario after the other; one that fails is said, and costs the others nothing. */
async function measureAll(scene: Scene, leftOut: Readonly<Record<string, string>>): Promise<Results> {
  const { options } = scene
  const conditions = conditionsOf(options)
  const notMeasured: Record<string, string> = { ...leftOut }
  const measured: Record<string, unknown> = {}
  const parts: Record<string, unknown> = {}
  for (const scenario of scenarios) {
    if (options.only === undefined ? scenario.isLong : scenario.name !== options.only) continue
    const absent = scenario.commands.filter((command) => versionOf(command, '--version') === undefined)
    const lengths = lengthsOf(options)
    const [part, fault] = await outcomeOf(scenario.run, scene, absent)
    if (fault === undefined) {
      parts[scenario.name] = part
      measured[scenario.name] = lengths
    } else {
      notMeasured[scenario.name] = fault
      console.error(`${scenario.name} was not measured: ${fault}`)
    }
  }
  return { conditions, not_measured: notMeasured, measured, scenarios: parts }
}

type Outcome = readonly [part: unknown, fault: undefined] | readonly [part: undefined, fault: string]

async function outcomeOf(
  measure: (scene: Scene) => Promise<unknown>,
  scene: Scene,
  absent: readonly string[],
): Promise<Outcome> {
  if (absent.length > 0) return [undefined, `${absent.join(', ')} is not installed`]
  try {
    return [await measure(scene), undefined]
  } catch (error) {
    return [undefined, (error as Error).message]
  }
}
