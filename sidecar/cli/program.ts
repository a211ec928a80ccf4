// The process around `main`: its arguments, its streams and its exit status.
import { main, type Commands } from './main.ts'

const oldestNode = 26
const lastMs = 500

export function runProgram(commands: Commands): void {
  const { stdout, stderr, env } = process
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    stderr.write(
      `onbehalf: needs Node ${oldestNode} or later, this is ${process.versions.node}. From a checkout: npm run -s onbehalf -- …\n`,
    )
    process.exit(2)
  }

  // Whoever reads our output may stop reading, as in `onbehalf schema | head`.
  stdout.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(0)
    stderr.write(`onbehalf: cannot write to standard output: ${code}\n`)
    process.exit(2)
  })

  // A log that nobody reads any more is no reason to stop serving; and there is nobody to be told.
  stderr.on('error', () => undefined)

  const cwd = currentFolder()
  if (cwd === undefined) {
    stderr.write('onbehalf: the current folder is gone: start it in another one\n')
    process.exit(2)
  }
  main(process.argv.slice(2), { stdout, stderr, env, cwd }, commands).then(end, (error: unknown) => {
    stderr.write(`onbehalf: ${error instanceof Error ? error.message : 'failed'}\n`)
    end(2)
  })
}

function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

function end(status: number): void {
  process.exitCode = status
  // Whatever is still open, such as a connection to a collector that hangs, holds nobody up.
  setTimeout(() => process.exit(), lastMs).unref()
}
