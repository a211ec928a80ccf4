// `make bench PROFILE=1`: a CPU profile of Onbehalf for seen and for new tokens, and the functions that took most of it.
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Bed } from './bed.ts'
import { makeOnbehalf } from './contenders/onbehalf.ts'
import type { Options } from './options.ts'
import { selfTimes, type CpuProfile } from './profile.ts'
import { inboundPlans } from './scenarios/inbound.ts'
import { measure } from './window.ts'

const folder = path.resolve(import.meta.dirname, '../../dist/profiles')
const listed = 25

/** Under the profiler everything is slower: its figures replace no results. */
export async function profile(bed: Bed, options: Options): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [which, plan] of Object.entries(await inboundPlans({ bed, options }, bed.folder))) {
    const name = `token_${which}.cpuprofile`
    const file = path.join(folder, name)
    await rm(file, { force: true })
    const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}`]
    // It is written when the process ends, which it has when the measurement is back.
    const turn = { name, title: name, contender: makeOnbehalf({ nodeFlags }), plan, against: {} }
    const sample = await measure(bed, turn, 1, options)
    const times = selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile, listed)
    console.log(`\n${which}: ${sample.cpu_us_per_request.toFixed(0)} µs per request under the profiler`)
    for (const { where, share } of times) console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${where}`)
    console.log(`For the Performance panel of Chrome, or VS Code: ${file}`)
  }
}
