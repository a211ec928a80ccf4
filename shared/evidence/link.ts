// One link of the evidence: a calling service's signed statement that it made one call for one user's token.
// What it says is read strictly; reading verifies nothing.
import { hash } from 'node:crypto'
import { requiredText, requiredTime } from '../assertion/claims.ts'
import { MalformedToken, parseJws, type KnownHeaders, type ParsedJws } from '../assertion/jws.ts'
import type { Revocable } from '../revocation.ts'
import { meshIssuerName } from '../identity.ts'

/** `typ` of a link, so that none is taken for an assertion, nor the reverse. */
export const linkType = 'onbehalf-link+jwt'

/** The token of another header that a link is bound to: the member of `oth`, the claim of WIMSE's proof token. */
export const boundHeader = 'x-pomerium-jwt-assertion-for'

/** Characters of one link; with three certificates of 4 KiB in all it stays below. */
export const maxLinkLength = 8 * 1024

export interface Link {
  readonly text: string
  /** base64url(sha256(text)): the `prv` of the link that follows. */
  readonly hash: string
  readonly keyId: string
  readonly issuer: string
  /** The account that calls. */
  readonly account: string
  /** The host that is called. */
  readonly audience: string
  /** The name of the route that is called. */
  readonly route: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  readonly linkId: string
  /** `txn` (RFC 8417): the same along a chain. */
  readonly transactionId: string
  /** base64url(sha256()) of the original user's token. */
  readonly userTokenHash: string
  /** The hash of the link before; undefined for the first. */
  readonly previousHash: string | undefined
  /** What of it can be revoked. */
  readonly revocable: Revocable
}

export interface ReadLink {
  readonly link: Link
  readonly jws: ParsedJws
}

const headerMembers: ReadonlySet<string> = new Set(['alg', 'kid', 'typ', 'x5c'])
const claims: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'route', 'iat', 'jti', 'txn', 'oth', 'prv'])

/** @throws {MalformedToken} it is no link, or says more than a link does. */
export function readLink(text: string, headers?: KnownHeaders): ReadLink {
  if (text.length > maxLinkLength) throw new MalformedToken(`it is longer than ${maxLinkLength} characters`)
  const jws = parseJws(text, linkType, headers)
  const { header, payload } = jws
  const { keyId } = header
  if (header.algorithm !== 'ES256') throw new MalformedToken('alg is not ES256')
  if (keyId === undefined) throw new MalformedToken('kid is missing')
  if (!Object.keys(header.members).every((name) => headerMembers.has(name))) {
    throw new MalformedToken('the header has a member that a link has not')
  }
  if (!Object.keys(payload).every((name) => claims.has(name))) {
    throw new MalformedToken('it has a claim that a link has not')
  }
  const account = requiredText(payload, 'sub')
  const issuedAt = requiredTime(payload, 'iat')
  const linkId = requiredId(payload, 'jti')
  const link: Link = {
    // A copy: a part of a header would keep the whole header for as long as the link is remembered.
    text: Buffer.from(text, 'latin1').toString('latin1'),
    hash: hashOf(text),
    keyId,
    issuer: requiredText(payload, 'iss'),
    account,
    audience: requiredText(payload, 'aud'),
    route: requiredText(payload, 'route'),
    issuedAt,
    linkId,
    transactionId: requiredId(payload, 'txn'),
    userTokenHash: readBinding(payload['oth']),
    previousHash: payload['prv'] === undefined ? undefined : requiredHash(payload, 'prv'),
    revocable: {
      principal: { issuer: meshIssuerName, subject: account },
      sessionId: '',
      tokenId: linkId,
      keyId,
      issuedAt,
    },
  }
  return { link, jws }
}

/** base64url(sha256(text)), as `prv` and `oth` have it. */
export function hashOf(text: string): string {
  return hash('sha256', text, 'base64url')
}

type Payload = Readonly<Record<string, unknown>>

/** Ids are recorded, so they are plain. */
function requiredId(payload: Payload, claim: string): string {
  const id = requiredText(payload, claim)
  if (!/^[\w-]{1,64}$/.test(id)) throw new MalformedToken(`${claim} is not 1 to 64 characters of base64url`)
  return id
}

function requiredHash(payload: Payload, claim: string): string {
  const text = requiredText(payload, claim)
  if (!/^[\w-]{43}$/.test(text)) throw new MalformedToken(`${claim} is no SHA-256 hash in base64url`)
  return text
}

function readBinding(oth: unknown): string {
  const isMap = typeof oth === 'object' && oth !== null && !Array.isArray(oth)
  if (!isMap || Object.keys(oth).length !== 1) throw new MalformedToken('oth has not exactly one member')
  return requiredHash(oth as Payload, boundHeader)
}
