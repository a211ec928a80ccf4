// What the commands have in common that show what a running sidecar says of itself.
import { describeMeshOptions, meshOptions } from '../mesh-file.ts'
import { AdminFault, askAdmin } from './admin-client.ts'
import { exitStatus, type Io } from './io.ts'
import { isJson, parse, readSoundMesh, runCommand, UsageFault } from './token-input.ts'

export interface Shown {
  readonly name: string
  /** What it shows, in a sentence. */
  readonly about: string
  readonly target: string
  readonly toText: (answer: unknown) => string
}

function usageOf({ name, about }: Shown): string {
  return `Usage: onbehalf ${name} [--config FILE] [--service NAME] [-o json]

${about}

Options (and the variables that stand for them):
${describeMeshOptions()}  -o, --output json   JSON alone on standard output, as the admin listener gives it.
  -h, --help          This text.

Example: onbehalf ${name} --config mesh.yaml --service App

Exit status: 0 done, 1 no sidecar answers, 2 wrong use or configuration.
`
}

/** @returns the exit status. */
export function show(shown: Shown, args: string[], io: Io): Promise<number> {
  const run = async () => {
    const { values, positionals } = parse(args, { ...meshOptions, output: { type: 'string', short: 'o' } })
    if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
    const json = isJson(values.output)
    const mesh = await readSoundMesh(values, io, 'trust')
    try {
      const answer = await askAdmin(mesh, io.env, shown.target)
      io.stdout.write(json ? `${JSON.stringify(answer, undefined, 2)}\n` : shown.toText(answer))
      return exitStatus.done
    } catch (error) {
      if (!(error instanceof AdminFault)) throw error
      io.stderr.write(`onbehalf ${shown.name}: ${error.message}\n`)
      return exitStatus.no
    }
  }
  return runCommand(shown.name, { usage: usageOf(shown), run }, args, io, () => process.stdin)
}
