// What a decision lacks and somebody else may have: it says so, and is made again when that was asked for.
import type { Issuer } from './config/mesh.ts'

export type Need =
  /** A key that one of these issuers may publish by now, by its `kid`. */
  | { readonly kind: 'keys'; readonly issuers: readonly Issuer[]; readonly keyId: string | undefined }
  /** The certificates of accounts' keys, by their `kid`. */
  | { readonly kind: 'certificates'; readonly keyIds: readonly string[] }
  /** The session of a handle, which another sidecar may have shared. */
  | { readonly kind: 'session'; readonly handle: string }

/**
 * What to answer where something is missing: ask for it ({@link Needed}), or, after that was tried, that nobody has it,
 * or that nobody could be asked.
 */
export type MissingRule = (need: Need) => 'ask' | 'unknown' | 'unavailable'

/** Thrown instead of a verdict. */
export class Needed extends Error {
  override readonly name = 'Needed'
  readonly need: Need

  constructor(need: Need) {
    super(`missing: ${need.kind}`)
    this.need = need
  }
}
