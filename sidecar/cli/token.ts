// `onbehalf token`: finds the one of its commands that is asked for.
import { exitStatus, type Io } from './io.ts'
import { runCommand, type OpenInput, type TokenCommand } from './token-input.ts'

const commands: Readonly<Record<string, () => Promise<TokenCommand>>> = {
  inspect: async () => (await import('./token-inspect.ts')).inspect,
  verify: async () => (await import('./token-verify.ts')).verify,
  mint: async () => (await import('./token-mint.ts')).mint,
}

const usage = `Usage:
  onbehalf token inspect [TOKEN]                                    what it says; verifies nothing
  onbehalf token verify --config FILE --service NAME [TOKEN]        would this sidecar accept it, and if not, why
  onbehalf token mint --config FILE --service NAME --route NAME     an assertion of this service, for curl

TOKEN is the token itself, @FILE, or - or nothing for standard input.
Each has a --help of its own.

Example: why does API refuse this token?
  onbehalf token verify --config mesh.yaml --service API @token

Exit status: 0 done, 1 the answer is no, 2 wrong use or configuration, or it cannot be told now.
`

/**
 * Runs the command.
 * @param openInput standard input, unless a test has something else to read.
 * @returns its exit status.
 */
export async function token(
  args: string[],
  io: Io,
  openInput: OpenInput = () => process.stdin,
): Promise<number> {
  const [name, ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    io.stdout.write(usage)
    return exitStatus.done
  }
  const load = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    const words =
      name === undefined ? 'say inspect, verify or mint' : `"${name}" is none of inspect, verify, mint`
    io.stderr.write(`onbehalf token: ${words}\nSee onbehalf token --help.\n`)
    return exitStatus.wrong
  }
  return runCommand(`token ${name}`, await load(), rest, io, openInput)
}
