// The manifests that a command is given: files, or standard input.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'

export interface Manifest {
  /** As it was given. */
  readonly name: string
  readonly text: string
}

/** Of the files that are given by -f. @throws {Error} with what is wrong with them, in words. */
export function namesOf(given: readonly string[], positionals: readonly string[]): readonly string[] {
  const [word] = positionals
  if (word !== undefined) throw new Error(`a manifest is named by -f: -f ${word}`)
  if (given.length === 0) throw new Error('say which manifest, by -f FILE, or -f - for standard input')
  const isTwice = given.indexOf('-') !== given.lastIndexOf('-')
  if (isTwice) throw new Error('-f -: standard input can be read once')
  return given
}

/** @throws {Error} with what cannot be read, in words. */
export function readManifests(names: readonly string[], cwd: string): Promise<Manifest[]> {
  return Promise.all(names.map(async (name) => ({ name, text: decode(name, await bytesOf(name, cwd)) })))
}

async function bytesOf(name: string, cwd: string): Promise<Buffer> {
  if (name === '-') return buffer(process.stdin)
  try {
    return await readFile(resolve(cwd, name))
  } catch (error) {
    throw new Error(`cannot read ${name}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, {
      cause: error,
    })
  }
}

/** A byte that is lost in decoding could not be given back. */
function decode(name: string, bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes)) throw new Error(`${name} is not UTF-8`)
  return text
}

/** Several manifests are one stream. */
export function joinManifests(texts: readonly string[]): string {
  return texts
    .map((text, i) => (i < texts.length - 1 && !text.endsWith('\n') ? `${text}\n` : text))
    .join('---\n')
}
