// `onbehalf wait`: until the listeners of a sidecar are open, for whoever must not start before.
import { setTimeout as pause } from 'node:timers/promises'
import type { ListenAddress } from '../../shared/config/mesh.ts'
import { describeMeshOptions, meshOptions } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
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
    const [address] = mesh.listen.probes
    if (address === undefined) throw new UsageFault('the sidecar has no probes listener')
    const late = performance.now() + Number(timeout) * 1_000
    while (!(await isAlive(address))) {
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

/** What stands for all addresses is asked at the loopback of its own family: another may listen at the other one. */
const loopbacks: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

async function isAlive({ host, port }: ListenAddress): Promise<boolean> {
  const name = loopbacks[host] ?? host
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${port}/livez`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) })
    return response.ok
  } catch {
    return false
  }
}
