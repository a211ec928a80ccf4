// Writes one revocation into the Redis of a mesh, with the credential of whoever may, and waits until it is there.
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisSettings, RedisUser } from '../../shared/config/mesh.ts'
import type { RevocationEntry } from '../../shared/revocation.ts'
import { writeRevocations } from '../revocation-writer.ts'
import { openStore } from '../store/open-store.ts'
import { StoreDenied, StoreUnavailable, type Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'

/** Nothing was revoked: the message says why, and what to do. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault'
}

/** In all; a command of the store has less, and what is revoked twice is revoked once. */
const patienceMs = 5_000
const pauseMs = 100

/**
 * Resolves with how many sidecars heard it at once.
 * @throws {StoreFault}
 */
export async function shareRevocation(
  settings: RedisSettings,
  user: RedisUser,
  entry: RevocationEntry,
): Promise<number> {
  await seePassword(user)
  const causes: string[] = []
  const store = await openStore(settings, { now: Date.now, log: collecting(causes), user })
  try {
    return await writePatiently(store, entry, causes)
  } finally {
    await store.close()
  }
}

async function writePatiently(
  store: Store,
  entry: RevocationEntry,
  causes: readonly string[],
): Promise<number> {
  const startedMs = performance.now()
  for (;;) {
    try {
      return await writeRevocations(store, Date.now() / 1000, [entry], true)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      if (error instanceof StoreDenied) {
        throw new StoreFault(
          'this Redis user may not write revocations. Give the one that may: store.redis.revoker, or --redis-user and --redis-password-file',
        )
      }
      const cause = store.isUp ? error.message : (causes.at(-1) ?? error.message)
      if (performance.now() - startedMs > patienceMs) throw new StoreFault(`the store: ${cause}`)
    }
    await pause(pauseMs)
  }
}

/** The store says why it is away to its log alone. */
function collecting(causes: string[]): Log {
  return {
    level: 'warn',
    write(_level, _message, fields = {}) {
      if (typeof fields['cause'] === 'string') causes.push(fields['cause'])
    },
  }
}

async function seePassword({ passwordFile }: RedisUser): Promise<void> {
  if (passwordFile === undefined) return
  try {
    await access(passwordFile, constants.R_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StoreFault(
      `the password file ${passwordFile} cannot be read (${code}): revoking needs the credential that may`,
    )
  }
}
