// An issuer's keys as a document that an account signed, for pods that cannot reach the issuer.
import { MalformedToken, parseJws, type ParsedJws } from '../../shared/assertion/jws.ts'
import { signatureIsValid } from '../../shared/assertion/key-set.ts'
import { clockSkewSeconds, type Revocations } from '../../shared/assertion/verify.ts'
import { ChainFault, verifyAccountChain, type AccountKey } from '../../shared/certificate/chain.ts'
import { meshIssuerName } from '../../shared/identity.ts'
import type { Trust } from '../../shared/trust.ts'
import type { Minter } from '../credential/minter.ts'

/** What tells it from an assertion and from a link. */
const type = 'onbehalf-jwks+jwt'
const maxLength = 256 * 1024

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
      const payload = {
        iss: signer.issuer,
        sub: signer.account,
        aud: url,
        iat: Math.floor(fetchedMs / 1000),
        jwks: text,
      }
      return signer.sign({ typ: type, x5c: signer.x5c }, payload)
    },
    verify(url, signed) {
      const document = read(url, signed, options)
      if (document === undefined) onRejected()
      return document
    },
  }
}

function read(url: string, signed: string, options: DocumentSealOptions): SharedDocument | undefined {
  const { accounts, revocations, now } = options
  const jws = parse(signed)
  const key = jws && keyOf(jws, options)
  if (jws === undefined || key === undefined) return undefined
  const { iss, sub, aud, iat, jwks } = jws.payload
  const isFromHere = sub === key.account && accounts.has(key.account) && iss === authorityOf(options)?.issuer
  if (!isFromHere || aud !== url || typeof jwks !== 'string' || !Number.isSafeInteger(iat)) return undefined
  if ((iat as number) > now() / 1000 + clockSkewSeconds) return undefined
  const principal = { issuer: meshIssuerName, subject: key.account }
  const revocable = { principal, sessionId: '', tokenId: '', keyId: key.keyId, issuedAt: iat as number }
  if (revocations.isRevoked(revocable)) return undefined
  const isSigned = signatureIsValid('ES256', key.key, jws.signingInput, jws.signature)
  return isSigned ? { text: jwks, fetchedMs: (iat as number) * 1000 } : undefined
}

function parse(signed: string): ParsedJws | undefined {
  if (signed.length > maxLength) return undefined
  try {
    const jws = parseJws(signed, type)
    return jws.algorithm === 'ES256' ? jws : undefined
  } catch (error) {
    if (error instanceof MalformedToken) return undefined
    throw error
  }
}

/** Its certificates travel with it: who reads it may know nobody yet. */
function keyOf(
  { certificates = [], keyId }: ParsedJws,
  options: DocumentSealOptions,
): AccountKey | undefined {
  const authority = authorityOf(options)
  if (authority === undefined) return undefined
  try {
    const key = verifyAccountChain(certificates, authority, options.now())
    return key.keyId === keyId ? key : undefined
  } catch (error) {
    if (error instanceof ChainFault) return undefined
    throw error
  }
}

function authorityOf({ trust }: DocumentSealOptions) {
  return [...trust().authorities.values()].find(({ name }) => name === meshIssuerName)
}
