// The command line: finds the command, runs it, and turns what it returns into the exit status.
import { didYouMean } from '../../shared/config/suggest.ts'
import type { Completed } from './completion.ts'
import type { Io } from './io.ts'
import { exitStatus } from './io.ts'
import { version } from '../version.ts'

type Command = (args: string[], io: Io) => Promise<number>

/** What `main` knows, by name. */
export type Commands = Readonly<Record<string, CommandEntry>>

export interface CommandEntry {
  readonly summary: string
  /** Its own commands. */
  readonly commands?: readonly string[]
  /** Loaded when it is asked for, so that `run` never pays for what makes certificates or schemas. */
  readonly load: (all: Commands) => Promise<Command>
}

/** Those that concern a sidecar and its mesh. */
export const sidecarCommands: Commands = {
  run: { summary: 'run the sidecar', load: async () => (await import('./run.ts')).run },
  validate: {
    summary: 'check a mesh file and say what it means, opening nothing',
    load: async () => (await import('./validate.ts')).validate,
  },
  check: {
    summary: 'ask all that the sidecar needs, live: issuers, store, certificate, app',
    load: async () => (await import('./check.ts')).check,
  },
  schema: {
    summary: 'print the JSON Schema of the mesh file, for editors',
    load: async () => (await import('./schema.ts')).schema,
  },
  ca: {
    summary: 'make certificates for laptops and tests',
    commands: ['init', 'issue'],
    load: async () => (await import('./ca.ts')).ca,
  },
  token: {
    commands: ['inspect', 'verify', 'mint'],
    summary: 'mint, inspect and verify tokens: why is this one refused?',
    load: async () => (await import('./token.ts')).token,
  },
  'verify-chain': {
    summary: 'check captured evidence offline, and print the way that a request took',
    load: async () => (await import('./verify-chain.ts')).verifyChain,
  },
  explain: {
    summary: 'why did this call carry, or not carry, this user?',
    load: async () => (await import('./explain.ts')).explain,
  },
  keys: {
    summary: 'show the keys by which a running sidecar verifies and signs',
    load: async () => (await import('./keys.ts')).keys,
  },
  sessions: {
    summary: 'show how many sessions a running sidecar keeps',
    load: async () => (await import('./sessions.ts')).sessions,
  },
  config: {
    summary: 'show the mesh file as a running sidecar has it in effect',
    load: async () => (await import('./config.ts')).config,
  },
  drain: {
    summary: 'let a running sidecar serve what is under way, and take nothing new',
    load: async () => (await import('./drain.ts')).drain,
  },
  wait: {
    summary: 'wait until the listeners of a running sidecar are open',
    load: async () => (await import('./wait.ts')).wait,
  },
  revoke: {
    summary: 'refuse a session, a subject, a token or a key from now on, in the whole mesh',
    load: async () => (await import('./revoke.ts')).revoke,
  },
  completion: {
    summary: 'print a script that completes all this in bash or zsh',
    commands: ['bash', 'zsh'],
    load: async (all) => {
      const { completion } = await import('./completion.ts')
      return (args, io) => completion(args, io, () => describeCommands(all))
    },
  },
}

const usage = (
  commands: Commands,
) => `onbehalf: a service always knows which service calls it, and on whose behalf

Usage: onbehalf <command> [options]      onbehalf <command> --help

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  .join('\n')}

Exit status: 0 done, 1 the answer is no, 2 wrong use or configuration.
`

export async function main(args: string[], io: Io, commands: Commands = sidecarCommands): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.stdout.write(usage(commands))
    return name === undefined ? exitStatus.wrong : exitStatus.done
  }
  if (name === '--version' || name === 'version') {
    io.stdout.write(`onbehalf ${version}\n`)
    return exitStatus.done
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) {
    const names = Object.keys(commands)
    const meant = didYouMean(name, names) || `; there is: ${names.join(', ')}`
    io.stderr.write(`onbehalf: there is no command "${name}"${meant}\nSee onbehalf --help.\n`)
    return exitStatus.wrong
  }
  const command = await entry.load(commands)
  return command(rest, io)
}

/** As the help of each says. A command with commands of its own has its options behind those. */
export async function describeCommands(commands: Commands): Promise<readonly Completed[]> {
  const described: Completed[] = []
  for (const [name, { commands: own = [] }] of Object.entries(commands)) {
    for (const sub of own) {
      const options = optionsIn(await helpOf([name, sub], commands))
      described.push({ name: `${name} ${sub}`, words: [], options })
    }
    described.push({
      name,
      words: own,
      options: own.length > 0 ? ['--help'] : optionsIn(await helpOf([name], commands)),
    })
  }
  const names = Object.keys(commands)
  return [...described, { name: '', words: names, options: ['--help', '--version'] }]
}

async function helpOf(words: readonly string[], commands: Commands): Promise<string> {
  const written: string[] = []
  const output = { write: (text: string) => void written.push(text) }
  await main([...words, '--help'], { stdout: output, stderr: output, env: {}, cwd: '/' }, commands)
  return written.join('')
}

/** Lines that begin with an option say what it is; one of an example may do so, too. */
function optionsIn(help: string): string[] {
  const named = [...help.matchAll(/^ +(?:-\w, )?(--[a-z][\w-]*)/gm)].map((match) => match[1] as string)
  return [...new Set(named)]
}
