// `make bench PROFILE=1`: a CPU profile of Onbehalf for each scenario, and the functions that took most of it.
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Bed } from './bed.ts'
import { makeOnbehalf } from './contenders/onbehalf.ts'
import { selfTimes, type CpuProfile } from './profile.ts'
import { makeScenarios } from './scenarios.ts'
import { measure, type Lengths } from './window.ts'

const folder = path.resolve(import.meta.dirname, '../../dist/profiles')
const listed = 25

/** Under the profiler everything is slower: its figures replace no results. */
export async function profile(bed: Bed, lengths: Lengths): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const scenario of await makeScenarios(bed, bed.folder, lengths)) {
    const name = `${scenario.name}.cpuprofile`
    const file = path.join(folder, name)
    await rm(file, { force: true })
    const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}`]
    // It is written when the process ends, which it has when the measurement is back.
    const sample = await measure(bed, makeOnbehalf(flags), scenario, 1, lengths)
    const times = selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile, listed)
    console.log(
      `\n${scenario.name}: ${sample.cpu_us_per_request.toFixed(0)} µs per request under the profiler`,
    )
    for (const { where, share } of times) console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${where}`)
    console.log(`For the Performance panel of Chrome, or VS Code: ${file}`)
  }
}
