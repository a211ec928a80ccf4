// What the token commands are given: tokens from an argument, a file or standard input, and a time to ask about.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { formatProblem } from '../../shared/config/problem.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { readMesh, type MeshQuestion } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import { readOptions, type Options } from './options.ts'

/** Standard input, opened only where a token is read from it. */
export type OpenInput = () => AsyncIterable<string | Uint8Array> & { readonly isTTY?: boolean }

/** One of `token`'s commands: its text for --help, and what it does. */
export interface TokenCommand {
  readonly usage: string
  /** @throws {UsageFault} it was given what it cannot work with. @throws {ConfigurationLines} the mesh file is wrong. */
  readonly run: (args: string[], io: Io, openInput: OpenInput) => Promise<number>
}

/** The command was given something it cannot work with. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault'
}

/** The mesh file, or a file that it names, cannot be used: one line each. */
export class ConfigurationLines extends Error {
  override readonly name = 'ConfigurationLines'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** `parseArgs` of node:util. @throws {UsageFault} */
export function parse<const T extends Options>(args: string[], options: T) {
  try {
    return readOptions(args, options, true)
  } catch (error) {
    throw new UsageFault((error as Error).message)
  }
}

/** @throws {UsageFault} any other format than the one there is. */
export function isJson(output: string | undefined): boolean {
  if (output !== undefined && output !== 'json') throw new UsageFault('-o: must be json')
  return output === 'json'
}

/** More is no token: no listener takes headers of this size. */
const maxTokenBytes = 1024 * 1024

export interface TokenSources {
  readonly io: Io
  readonly openInput: OpenInput
}

/**
 * The one token among the arguments: itself, `@FILE`, or `-` or nothing for standard input.
 * @throws {UsageFault} several, none, or one that cannot be read.
 */
export async function readToken(positionals: readonly string[], sources: TokenSources): Promise<string> {
  const [argument = '-', ...others] = positionals
  if (others.length > 0) throw new UsageFault('one token at a time')
  return readTokenFrom(argument, sources)
}

/** @param argument the token itself, `@FILE` or `-`. @throws {UsageFault} */
export async function readTokenFrom(argument: string, sources: TokenSources): Promise<string> {
  if (argument === '-') return tidy(await readInput(sources, 'token'), 'standard input')
  if (!argument.startsWith('@')) return tidy(argument, 'the argument')
  const name = argument.slice(1)
  return tidy(await readFileHere(name, sources.io), name)
}

/** @throws {UsageFault} it cannot be read. */
export async function readFileHere(name: string, { cwd }: Pick<Io, 'cwd'>): Promise<string> {
  try {
    return await readFile(resolve(cwd, name), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new UsageFault(`${name} cannot be read (${code})`)
  }
}

/** All of standard input. @param what is to be pasted where it is a terminal. @throws {UsageFault} there is no end to it. */
export async function readInput({ io, openInput }: TokenSources, what: string): Promise<string> {
  const input = openInput()
  if (input.isTTY === true) io.stderr.write(`Paste the ${what}, then Enter and Ctrl-D.\n`)
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of input) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    length += bytes.length
    if (length > maxTokenBytes) throw new UsageFault(`more than ${maxTokenBytes} bytes are no ${what}`)
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A token as it is pasted: with blanks around it, or as the line of a header. */
function tidy(text: string, where: string): string {
  const token = text.replace(/^\s*(?:x-(?:pomerium|onbehalf)-[\w-]+\s*:)?\s*/i, '').trimEnd()
  if (token === '') throw new UsageFault(`${where} holds no token`)
  return token
}

const isoForm = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/

/** Milliseconds since the epoch. @throws {UsageFault} no time, or one without a zone. */
export function parseTime(text: string): number {
  if (/^\d{1,10}(?:\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1000)
  const match = isoForm.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(text)
  if (match === null || Number.isNaN(ms) || !isDay(match[1] as string)) {
    throw new UsageFault(
      `--at: "${text}" is no time: give 2026-01-15T12:00:00Z, or seconds (not milliseconds) since the epoch`,
    )
  }
  if (text.includes('T') && match[2] === undefined) {
    throw new UsageFault(`--at: "${text}" does not say its zone: give ${text}Z, or an offset such as +02:00`)
  }
  return ms
}

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
}

/** The mesh as the sidecar of the service sees it. @throws {ConfigurationLines} */
export async function readSoundMesh(
  flags: MeshQuestion['flags'],
  { env, cwd }: Io,
  files: 'all' | 'trust',
): Promise<Mesh> {
  const { mesh, problems } = await readMesh({ flags, env, cwd, files })
  if (mesh !== undefined) return mesh
  const errors = problems.filter(({ severity }) => severity === 'error')
  throw new ConfigurationLines(errors.map(formatProblem))
}

/** Runs one of the commands, and says in words what it was given wrongly. @returns the exit status. */
export async function runCommand(
  name: string,
  command: TokenCommand,
  args: string[],
  io: Io,
  openInput: OpenInput,
): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(command.usage)
    return exitStatus.done
  }
  try {
    return await command.run(args, io, openInput)
  } catch (error) {
    if (error instanceof ConfigurationLines) {
      for (const line of error.lines) io.stderr.write(`${line}\n`)
    } else if (error instanceof UsageFault) {
      io.stderr.write(`onbehalf ${name}: ${error.message}\nSee onbehalf ${name} --help.\n`)
    } else throw error
    return exitStatus.wrong
  }
}
