// An issuer's keys as a document that an account signed, for pods that cannot reach the issuer.
import type { Revocations } from '../../shared/assertion/verify.ts'
import type { Trust } from '../../shared/trust.ts'
import type { Minter } from '../credential/minter.ts'
import { readStatement, signStatement, type Purpose } from '../statement.ts'

/** What tells it from an assertion and from a link. */
const type = 'onbehalf-jwks+jwt'

export interface SharedDocument {
  readonly text: string
  /** When its signer fetched it; milliseconds since the epoch. */
  readonly fetchedMs: number
}

export interface DocumentSeal {
  /** Whether anybody's signature counts. */
  readonly trustsSomeone: boolean
  /** Undefined where this service's own account is not one whose signature counts. */
  sign(url: string, document: SharedDocument): string | undefined
  /** Undefined for what nobody signed whose signature counts, or not for these keys. */
  verify(url: string, signed: string): SharedDocument | undefined
}

export interface DocumentSealOptions {
  /** Accounts of this mesh whose signature counts. */
  readonly accounts: ReadonlySet<string>
  readonly minter: () => Minter | undefined
  readonly trust: () => Trust
  readonly revocations: Revocations
  /** Called for each document that is not what it should be. */
  readonly onRejected: () => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export function createDocumentSeal(options: DocumentSealOptions): DocumentSeal {
  const { accounts, minter, onRejected } = options
  return {
    trustsSomeone: accounts.size > 0,
    sign(url, { text, fetchedMs }) {
      const signer = minter()
      if (signer === undefined || !accounts.has(signer.account)) return undefined
      return signStatement(signer, purposeOf(url), fetchedMs, { jwks: text })
    },
    verify(url, signed) {
      const document = read(url, signed, options)
      if (document === undefined) onRejected()
      return document
    },
  }
}

const purposeOf = (url: string): Purpose => ({ type, audience: url })

function read(url: string, signed: string, options: DocumentSealOptions): SharedDocument | undefined {
  const { accounts, revocations, now } = options
  const question = { ...purposeOf(url), accounts, trust: options.trust(), revocations, nowMs: now() }
  const statement = readStatement(signed, question)
  const jwks = statement?.members['jwks']
  return statement !== undefined && typeof jwks === 'string'
    ? { text: jwks, fetchedMs: statement.atMs }
    : undefined
}
