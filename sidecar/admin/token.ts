// The admin token: a file that only this sidecar's user can read; made at the start, removed at the end.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, lstat, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'

export interface AdminToken {
  readonly file: string
  matches(presented: string): boolean
  remove(): Promise<void>
}

/** Where the command line looks for it, and so where it lies unless `admin_token_file` says otherwise. */
export function defaultAdminTokenFile(service: string, env: NodeJS.ProcessEnv): string {
  const name = `${encodeURIComponent(service)}.admin-token`
  const { uid } = userInfo()
  const base = env['XDG_RUNTIME_DIR']
  return base === undefined || base === ''
    ? join(tmpdir(), `onbehalf-${uid}`, name)
    : join(base, 'onbehalf', name)
}

/** @throws {Error} the folder is not this user's alone, or the file cannot be written. */
export async function createAdminToken(file: string): Promise<AdminToken> {
  const token = randomBytes(32).toString('base64url')
  await makePrivateFolder(dirname(file))
  // Removed first: written into a file that was there, it would have that file's owner and mode.
  await rm(file, { force: true })
  await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
  const expected = Buffer.from(token)
  return {
    file,
    matches(presented) {
      const given = Buffer.from(presented)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
    remove: () => rm(file, { force: true }),
  }
}

async function makePrivateFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made !== undefined) await chmod(folder, 0o700)
  const { uid } = userInfo()
  const state = await lstat(folder)
  if (!state.isDirectory() || (uid !== -1 && state.uid !== uid && state.uid !== 0)) {
    throw new Error(`${folder} is not a folder of this user: set admin_token_file to a file in one that is`)
  }
}
