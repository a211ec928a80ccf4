// The admin token: in a file that only this sidecar's user can read; made at the start and removed at the end, or given.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { chmod, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface AdminToken {
  readonly file: string
  matches(presented: string): boolean
  /** At once: the process may end now. */
  remove(): void
}

export type TokenCheck = Pick<AdminToken, 'file' | 'matches'>

/** Where the command line looks for it, and so where it lies unless `admin_token_file` says otherwise. */
export function defaultAdminTokenFile(service: string, env: NodeJS.ProcessEnv): string {
  const name = `${encodeURIComponent(service)}.admin-token`
  const uid = ownUid()
  const base = env['XDG_RUNTIME_DIR']
  return base === undefined || base === ''
    ? join(tmpdir(), `onbehalf-${uid}`, name)
    : join(base, 'onbehalf', name)
}

/** Of a container's user, which may have no entry in the list of users. */
function ownUid(): number {
  return process.geteuid?.() ?? -1
}

const minTokenLength = 32

/**
 * The token of `admin_token_file`: what the file holds, or a new one where there is no such file.
 * @throws {Error} the file holds too short a token, or cannot be read or written.
 */
export async function openAdminToken(file: string): Promise<AdminToken> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return createAdminToken(file)
    throw error
  }
  const token = text.trim()
  if (token.length < minTokenLength || /\s/.test(token)) {
    throw new Error(
      `${file} is there, and holds no token of ${minTokenLength} characters or more: give one, or a file that is not there`,
    )
  }
  // What we did not make we do not remove.
  return { ...tokenIn(file, token), remove: () => undefined }
}

/** @throws {Error} the folder is not this user's alone, or the file cannot be written. */
export async function createAdminToken(file: string): Promise<AdminToken> {
  const token = randomBytes(32).toString('base64url')
  await makePrivateFolder(dirname(file))
  // Under its name only when it is whole: whoever is killed in between leaves no file that the next start would take for one
  // that was given. What was there is replaced, owner and mode with it.
  const written = `${file}.${process.pid}`
  await rm(written, { force: true })
  await writeFile(written, `${token}\n`, { mode: 0o600, flag: 'wx' })
  await rename(written, file)
  return { ...tokenIn(file, token), remove: () => removeOurs(file, token) }
}

/** Another sidecar of the same service may have put its own there since. */
function removeOurs(file: string, token: string): void {
  if (read(file) === token) rmSync(file, { force: true })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

function tokenIn(file: string, token: string): TokenCheck {
  const expected = Buffer.from(token)
  return {
    file,
    matches(presented) {
      const given = Buffer.from(presented)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}

async function makePrivateFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made !== undefined) await chmod(folder, 0o700)
  const uid = ownUid()
  const state = await lstat(folder)
  if (!state.isDirectory() || (uid !== -1 && state.uid !== uid && state.uid !== 0)) {
    throw new Error(`${folder} is not a folder of this user: set admin_token_file to a file in one that is`)
  }
}
