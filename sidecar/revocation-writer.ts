// Writes revocations to where all sidecars read them, with the credential that may.
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { RedisUser } from '../shared/config/mesh.ts'
import { memberOf, messageOf, type RevocationEntry } from '../shared/revocation.ts'
import { StoreDenied, StoreUnavailable, type Store } from './store/store.ts'

/** The sorted set, and the channel. */
export const revocationsName = 'revocations'

/** Another's clock may be ahead by so much: what is over by ours is left there for so long. */
const graceSeconds = 60 * 60

/** How far a revocation got. */
export type Reach =
  | { readonly kind: 'shared'; readonly listening: number }
  | { readonly kind: 'not_permitted' | 'unreachable'; readonly why: string }

/** @param announce: also to those that listen, who else read it within the interval. Never fails. */
export type WriteRevocations = (entries: readonly RevocationEntry[], announce: boolean) => Promise<Reach>

/**
 * @param floorSeconds what may be forgotten by then is; seconds since the epoch.
 * @param openAsRevoker opens a store with a credential of its own, for as long as it takes to write. It is not kept:
 * revoking is rare, and a connection that may do it is better not there.
 */
export function createRevocationWriter(
  store: Store,
  floorSeconds: () => number,
  openAsRevoker: () => Promise<Store | undefined> = async () => undefined,
): WriteRevocations {
  return async (entries, announce) => {
    const own = await openAsRevoker()
    try {
      return {
        kind: 'shared',
        listening: await writeRevocations(own ?? store, floorSeconds(), entries, announce),
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      const kind = error instanceof StoreDenied ? 'not_permitted' : 'unreachable'
      return { kind, why: error.message }
    } finally {
      await own?.close()
    }
  }
}

/**
 * Resolves with how many listened.
 * @param floorSeconds what may be forgotten by then is; seconds since the epoch.
 * @throws {StoreUnavailable}
 */
export async function writeRevocations(
  store: Store,
  floorSeconds: number,
  entries: readonly RevocationEntry[],
  announce: boolean,
): Promise<number> {
  const scored = entries.map((entry) => [memberOf(entry), entry.forgetAtSeconds] as const)
  // First where it stays: who hears a message and then loses it, finds it there.
  await store.merge(revocationsName, scored, Math.floor(floorSeconds) - graceSeconds)
  if (!announce) return 0
  let listening = 0
  for (const entry of entries) listening = await store.publish(revocationsName, messageOf(entry))
  return listening
}

/** Whether this sidecar was given the credential of whoever revokes. */
export async function hasCredential({ passwordFile }: RedisUser): Promise<boolean> {
  if (passwordFile === undefined) return true
  try {
    await access(passwordFile, constants.R_OK)
    return true
  } catch {
    return false
  }
}
