// Puts the preload where the containers of the app find it: `run` copies it from beside its own bundle.
import { randomUUID } from 'node:crypto'
import { chmod, copyFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigurationFault } from '../configuration.ts'

const name = 'preload.cjs'
const source = join(import.meta.dirname, name)

export interface PreloadPlace {
  readonly env: NodeJS.ProcessEnv
  /** The current folder, absolute. */
  readonly cwd: string
}

/**
 * Does nothing where `ONBEHALF_PRELOAD_DIR` is not set. Whoever reads the file meanwhile has the whole of the one or
 * the other.
 * @throws {ConfigurationFault} there is no preload to copy, or the folder cannot be written to.
 */
export async function copyPreload({ env, cwd }: PreloadPlace, from = source): Promise<void> {
  const given = env['ONBEHALF_PRELOAD_DIR'] ?? ''
  if (given === '') return
  const folder = resolve(cwd, given)
  const unfinished = join(folder, `.${name}.${randomUUID()}`)
  try {
    await copyFile(from, unfinished)
    await chmod(unfinished, 0o644)
    await rename(unfinished, join(folder, name))
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new ConfigurationFault([`ONBEHALF_PRELOAD_DIR: ${from} cannot be copied to ${folder} (${code})`])
  }
}
