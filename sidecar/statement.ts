// What an account says to other sidecars through the store, where anybody can write: signed, for one purpose and one
// audience, with the certificates beside it, since who reads it may know nobody yet.
import { MalformedToken, parseJws, type ParsedJws } from '../shared/assertion/jws.ts'
import { signatureIsValid } from '../shared/assertion/key-set.ts'
import { clockSkewSeconds, type Revocations } from '../shared/assertion/verify.ts'
import { ChainFault, verifyAccountChain, type AccountKey } from '../shared/certificate/chain.ts'
import { meshIssuerName } from '../shared/identity.ts'
import type { Trust } from '../shared/trust.ts'
import type { Minter } from './credential/minter.ts'

const maxLength = 256 * 1024

/** `typ` and `aud` of a statement: what it is, and for which use. No assertion and no link has such a type. */
export interface Purpose {
  readonly type: string
  readonly audience: string
}

export type Members = Readonly<Record<string, unknown>>

/** @param atMs of what it is about; milliseconds since the epoch. */
export function signStatement(
  minter: Minter,
  { type, audience }: Purpose,
  atMs: number,
  members: Members,
): string {
  const claims = { iss: minter.issuer, sub: minter.account, aud: audience, iat: Math.floor(atMs / 1000) }
  return minter.sign({ typ: type, x5c: minter.x5c }, { ...members, ...claims })
}

export interface StatementQuestion extends Purpose {
  /** The accounts of this mesh whose word counts. */
  readonly accounts: ReadonlySet<string>
  readonly trust: Trust
  readonly revocations: Revocations
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export interface Statement {
  readonly members: Members
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

/**
 * Undefined for what none of these accounts said, or not for this purpose. A certificate must have been valid when it
 * was said, and neither key nor account revoked since.
 */
export function readStatement(text: string, question: StatementQuestion): Statement | undefined {
  const jws = parse(text, question.type)
  const issuedAt = jws?.payload['iat']
  if (jws === undefined || !Number.isSafeInteger(issuedAt)) return undefined
  const atMs = (issuedAt as number) * 1000
  if (atMs > question.nowMs + clockSkewSeconds * 1000) return undefined
  const key = keyOf(jws, atMs, question.trust)
  if (key === undefined || !isBy(key, jws, question)) return undefined
  const isSigned = signatureIsValid('ES256', key.key, jws.signingInput, jws.signature)
  return isSigned ? { members: jws.payload, atMs } : undefined
}

function parse(text: string, type: string): ParsedJws | undefined {
  if (text.length > maxLength) return undefined
  try {
    const jws = parseJws(text, type)
    return jws.header.algorithm === 'ES256' ? jws : undefined
  } catch (error) {
    if (error instanceof MalformedToken) return undefined
    throw error
  }
}

function keyOf({ header }: ParsedJws, atMs: number, trust: Trust): AccountKey | undefined {
  const { certificates = [], keyId } = header
  const authority = authorityOf(trust)
  if (authority === undefined) return undefined
  try {
    const key = verifyAccountChain(certificates, authority, atMs)
    return key.keyId === keyId ? key : undefined
  } catch (error) {
    if (error instanceof ChainFault) return undefined
    throw error
  }
}

function isBy(key: AccountKey, { payload }: ParsedJws, question: StatementQuestion): boolean {
  const { iss, sub, aud, iat } = payload
  const { account, keyId } = key
  const { accounts, audience, trust, revocations } = question
  if (sub !== account || !accounts.has(account) || iss !== authorityOf(trust)?.issuer || aud !== audience)
    return false
  const principal = { issuer: meshIssuerName, subject: account }
  return !revocations.isRevoked({ principal, sessionId: '', tokenId: '', keyId, issuedAt: iat as number })
}

function authorityOf({ authorities }: Trust) {
  return [...authorities.values()].find(({ name }) => name === meshIssuerName)
}
