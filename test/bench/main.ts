// `make bench`: CPU per request of the inbound side, beside nginx and HAProxy in the same run.
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { builtProgram, makeBed } from './bed.ts'
import { compare } from './comparison.ts'
import { conditionsOf, versionOf } from './conditions.ts'
import { readOptions } from './options.ts'
import { createProcesses, type Processes } from './processes.ts'
import { profile } from './profiling.ts'
import { makeResults, toJson, toMarkdown, type Results } from './report.ts'
import { measureRevocation, revocationInWords, type RevocationResults } from './revocation/measure.ts'

const resultsFile = path.join(import.meta.dirname, 'results.json')

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
  if (process.env['ONLY'] === 'revocation') return undefined
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
  const options = readOptions(process.env)
  if (options.revocationOnly) return runRevocation()
  const conditions = conditionsOf(options)
  const bed = await makeBed(processes, folder)
  if (options.profile) {
    await profile(bed, options)
    return 0
  }
  const { contenders, notMeasured, samples } = await compare(bed, options)
  const revocation = await tryRevocation(notMeasured)
  const results = makeResults(conditions, notMeasured, samples, revocation)
  await writeFile(resultsFile, toJson(results))
  console.log(toMarkdown(results, new Map(contenders.map(({ name, title }) => [name, title]))))
  return 0
}

/** Into the results that are there. */
async function runRevocation(): Promise<number> {
  const revocation = await measureRevocation()
  const known = JSON.parse(await readFile(resultsFile, 'utf8')) as Results
  const { conditions, not_measured, medians, rounds } = known
  await writeFile(resultsFile, toJson({ conditions, not_measured, revocation, medians, rounds }))
  console.log(revocationInWords(revocation))
  return 0
}

async function tryRevocation(notMeasured: Record<string, string>): Promise<RevocationResults | undefined> {
  try {
    return await measureRevocation()
  } catch (error) {
    notMeasured['revocation'] = (error as Error).message
    return undefined
  }
}
