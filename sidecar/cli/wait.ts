// `onbehalf wait`: until the listeners of a sidecar are open, for whoever must not start before.
import { setTimeout as pause } from 'node:timers/promises'
import type { Mesh } from '../../shared/config/mesh.ts'
import { describeMeshOptions, meshOptions } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import { askProbes } from './probes-client.ts'
import { parse, readSoundMesh, runCommand, UsageFault } from './token-input.ts'

const usage = `Usage: onbehalf wait [--config FILE] [--service NAME] [--timeout SECONDS]

Waits until the running sidecar of a service has its listeners open: /livez answers 200. It need not be ready.

Example: onbehalf wait --config mesh.yaml --service App && exec my-app

Options (and the variables that stand for them):
${describeMeshOptions()}  --timeout SECONDS   For so long at most. Default: 60.
  -h, --help          This text.

Exit status: 0 they are open; 1 they were not in time; 2 wrong use or configuration.
`

const askAgainMs = 100
const answerMs = 1_000

/** @returns the exit status. */
export function wait(args: string[], io: Io): Promise<number> {
  const run = async () => {
    const { values, positionals } = parse(args, {
      ...meshOptions,
      timeout: { type: 'string', default: '60' },
    })
    if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
    const { timeout, ...flags } = values
    if (!/^\d{1,5}$/.test(timeout)) throw new UsageFault(`--timeout: "${timeout}" is no number of seconds`)
    const mesh = await readSoundMesh(flags, io, 'trust')
    if (mesh.listen.probes.length === 0) throw new UsageFault('the sidecar has no probes listener')
    const late = performance.now() + Number(timeout) * 1_000
    while (!(await isAlive(mesh))) {
      if (performance.now() > late) {
        io.stderr.write(`onbehalf wait: the listeners of ${mesh.service} are not open after ${timeout} s\n`)
        return exitStatus.no
      }
      await pause(askAgainMs)
    }
    return exitStatus.done
  }
  return runCommand('wait', { usage, run }, args, io, () => process.stdin)
}

async function isAlive(mesh: Mesh): Promise<boolean> {
  const answer = await askProbes(mesh, '/livez', AbortSignal.timeout(answerMs))
  return answer?.status === 200
}
