// How users stand in what leaves the sidecar for people to read: by a keyed hash of who they are, or by their names.
import { createHmac } from 'node:crypto'
import { BoundedMap } from './bounded-map.ts'
import type { RecordedPrincipal } from './decision.ts'

/** How many users' pseudonyms are kept. */
const maxKept = 10_000
const pseudonymLength = 22

export interface Naming {
  /** Whether users stand by their names. */
  readonly isPlain: boolean
  /** A user's subject, or what stands for it; a service account's always. Empty of nobody. */
  idOf(principal: RecordedPrincipal): string
}

export const plainNaming: Naming = { isPlain: true, idOf: ({ subject }) => subject }

/**
 * The same user has the same pseudonym under the same key, at every sidecar that has it: base64url of the first 132
 * bits of HMAC-SHA-256 of issuer and subject. Without the key nobody can try names against it.
 */
export function createPseudonyms(key: Uint8Array): Naming {
  const kept = new BoundedMap<string, string>(maxKept)
  const pseudonymOf = (text: string): string => {
    const known = kept.get(text)
    if (known !== undefined) return known
    const made = createHmac('sha256', key).update(text).digest('base64url').slice(0, pseudonymLength)
    kept.set(text, made)
    return made
  }
  return {
    isPlain: false,
    idOf({ kind, issuer, subject }) {
      return kind === 'user' ? pseudonymOf(`${issuer}\0${subject}`) : subject
    },
  }
}

/** `issuer/id`: how a principal stands in a line of text. */
export function nameOf(principal: RecordedPrincipal, naming: Naming): string {
  return `${principal.issuer}/${naming.idOf(principal)}`
}
