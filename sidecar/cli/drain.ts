// `onbehalf drain`: a running sidecar serves what is under way to its end, and takes nothing new.
import { setTimeout as pause } from 'node:timers/promises'
import type { Mesh } from '../../shared/config/mesh.ts'
import { describeMeshOptions, meshOptions } from '../mesh-file.ts'
import { untilAppEnds } from './app-end.ts'
import { AdminFault, askAdmin } from './admin-client.ts'
import { exitStatus, type Io } from './io.ts'
import { askProbes } from './probes-client.ts'
import { parse, readSoundMesh, runCommand, UsageFault } from './token-input.ts'

const usage = `Usage: onbehalf drain [--config FILE] [--service NAME] [--wait [--until-app-ends]]

Tells the running sidecar of a service to drain, as SIGTERM does: /ready answers 503, open connections are served on
and then closed, and after timeouts.drain_delay new requests are refused (draining). It does not end the process.

Example: onbehalf drain --config mesh.yaml --service App --wait

Options (and the variables that stand for them):
${describeMeshOptions()}  --wait              Until no request to the app is under way any more, or timeouts.drain is over.
  --until-app-ends    And then until nothing listens where the app did: for a sidecar that is to outlive its app.
  -h, --help          This text.

Exit status: 0 done; 1 no sidecar answers, or something is still under way, or the app still listens; 2 wrong use or configuration.
`

const askAgainMs = 200
const answerMs = 1_000

/** @returns the exit status. */
export function drain(args: string[], io: Io): Promise<number> {
  const run = async () => {
    const own = {
      wait: { type: 'boolean', default: false },
      'until-app-ends': { type: 'boolean', default: false },
    } as const
    const { values, positionals } = parse(args, { ...meshOptions, ...own })
    if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
    const { wait, 'until-app-ends': isToOutlive, ...flags } = values
    if (isToOutlive && !wait) throw new UsageFault('--until-app-ends goes with --wait')
    const mesh = await readSoundMesh(flags, io, 'trust')
    try {
      await askAdmin(mesh, io.env, '/drain', '')
      io.stdout.write(`the sidecar of ${mesh.service} drains\n`)
      if (!wait) return exitStatus.done
      const { drainMs, drainDelayMs } = mesh.timeouts
      const deadlineMs = drainMs === 0 ? Infinity : performance.now() + drainDelayMs + drainMs
      const status = await untilDrained(mesh, io, deadlineMs)
      return isToOutlive ? await outlive(mesh, io, deadlineMs) : status
    } catch (error) {
      if (!(error instanceof AdminFault)) throw error
      io.stderr.write(`onbehalf drain: ${error.message}\n`)
      return exitStatus.no
    }
  }
  return runCommand('drain', { usage, run }, args, io, () => process.stdin)
}

/** The app is told to end by others, when it is drained. One that is gone has nothing under way any more. */
async function outlive(mesh: Mesh, io: Io, deadlineMs: number): Promise<number> {
  if (await untilAppEnds(mesh, deadlineMs)) return exitStatus.done
  io.stderr.write('onbehalf drain: the app still listens\n')
  return exitStatus.no
}

/** It answers when its own time is over, which began a little later. */
function soonAfter(deadlineMs: number): AbortSignal | undefined {
  const leftMs = Math.max(0, deadlineMs - performance.now())
  return leftMs === Infinity ? undefined : AbortSignal.timeout(Math.round(leftMs) + answerMs)
}

async function untilDrained(mesh: Mesh, io: Io, deadlineMs: number): Promise<number> {
  for (;;) {
    const answer = await askProbes(mesh, '/drained', soonAfter(deadlineMs))
    if (answer === undefined) throw new AdminFault('the sidecar does not answer at listen.probes')
    const left = /^drained but for (\d+) /.exec(answer.body)?.[1]
    if (left !== undefined) {
      io.stderr.write(`onbehalf drain: ${left} requests are still under way\n`)
      return exitStatus.no
    }
    if (answer.status === 200) {
      io.stdout.write('no request to the app is under way any more\n')
      return exitStatus.done
    }
    // Too many wait there already.
    if (performance.now() > deadlineMs)
      throw new AdminFault(`the sidecar does not say: ${answer.body.trim()}`)
    await pause(askAgainMs)
  }
}
