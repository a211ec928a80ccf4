// Verifies a token: the order of the checks is the contract, the first failure names the code.
import { ownText } from '../own-text.ts'
import { hash } from 'node:crypto'
import { signatureAlgorithms, type Issuer, type SignatureAlgorithm } from '../config/mesh.ts'
import type { AccountKey, Authority } from '../certificate/chain.ts'
import { Refusal, type RefusalOptions, type TokenFault } from '../errors.ts'
import type { Peer } from '../head.ts'
import type { Assertion, PrincipalKind } from '../identity.ts'
import type { Revocable } from '../revocation.ts'
import { Needed, type MissingRule, type Need } from '../needed.ts'
import type { AuthenticToken, Snapshot } from '../trust.ts'
import { findAccountKey, isKey } from './account-key.ts'
import { readClaims, type AssertionClaims } from './claims.ts'
import { signatureIsValid, type VerificationKey } from './key-set.ts'
import { keepHeader, MalformedToken, parseJws, type ParsedJws } from './jws.ts'

/** Clocks may differ by so much. Pomerium's own verifiers allow the same. */
export const clockSkewSeconds = 60

/** Which header a token came in: the prefix of its codes. */
export type TokenRole = 'assertion' | 'original_user'

/** Why what is known as revoked may not be all: nothing was heard for too long, or there is more than can be kept. */
export type RevocationGap = 'unheard' | 'too_many'

/** What was found about revocation; asked for each request, since verdicts on signatures are kept. */
export interface Revocations {
  isRevoked(signed: Revocable): boolean
  /** Whether all that a key signed is revoked, by its `kid`. */
  isKeyRevoked(keyId: string): boolean
  /** Another one each time that something new is revoked. */
  readonly version: number
  /** Undefined where all that is revoked is known. */
  readonly gap: RevocationGap | undefined
}

export interface VerifyOptions {
  readonly role: TokenRole
  /** The hosts that `aud` may name. */
  readonly audiences: { has(host: string): boolean }
  readonly peer: Peer
  readonly snapshot: Snapshot
  readonly revocations: Revocations
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  readonly missing: MissingRule
  /** For so long after its end a token still counts, where what comes with it shows that it had not ended before. */
  readonly graceMs?: number
}

/**
 * Verifies a token for one role, whoever it is about; an empty subject is `anonymous`, not a failure.
 * @throws {Refusal} `<role>_malformed`, `_algorithm`, `_issuer`, `_key_unknown`, `_signature`, `_audience`, `_expired`,
 * `_not_yet_valid`, `_revoked`; `keys_unavailable` where it cannot be verified now; `overloaded` for a peer that
 * sends bad certificates without end.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function verifyToken(token: string, options: VerifyOptions): Assertion {
  const { verified } = options.snapshot.trust
  const known = verified.get(token)
  const authentic = known ?? authenticate(ownText(token), options)
  if (known === undefined) verified.set(authentic.assertion.token, authentic, token.length * 2 + 1024)
  return accept(authentic, options)
}

/** The checks that depend on the time, the place and what was revoked. */
function accept(authentic: AuthenticToken, options: VerifyOptions): Assertion {
  const { assertion, notBefore } = authentic
  const nowSeconds = options.nowMs / 1000
  const { graceMs = 0 } = options
  if (options.nowMs > authentic.certificateEndsMs) {
    throw fault(options, 'key_unknown', 'the certificate of its key has ended')
  }
  const issuerKeys = options.snapshot.trust.keysByIssuer.get(assertion.principal.issuer)
  if (issuerKeys !== undefined && options.nowMs > issuerKeys.usableUntilMs) throw keysUnavailable()
  if (!options.audiences.has(assertion.audience)) {
    throw fault(options, 'audience', 'it was made for another host', {
      detail: `aud is ${quoted(assertion.audience)}`,
    })
  }
  if (hasExpired(assertion, options.nowMs - graceMs)) throw expired(options.role, assertion, options.nowMs)
  const validFrom = Math.max(assertion.issuedAt, notBefore ?? 0)
  if (nowSeconds < validFrom - clockSkewSeconds) {
    throw fault(options, 'not_yet_valid', 'it is not valid yet: compare the clocks', {
      detail: `it counts from ${validFrom}, now is ${Math.floor(options.nowMs / 1000)}`,
    })
  }
  if (options.revocations.isRevoked(assertion)) throw fault(options, 'revoked', 'it was revoked')
  requireAllRevocations(options.revocations)
  return assertion
}

/** Whether a token counts no more. */
export function hasExpired({ expiresAt }: Pick<Assertion, 'expiresAt'>, nowMs: number): boolean {
  return nowMs / 1000 >= expiresAt + clockSkewSeconds
}

/** The refusal of one that counts no more. */
export function expired(role: TokenRole, { expiresAt }: Assertion, nowMs: number): Refusal {
  return fault({ role }, 'expired', 'it has expired', {
    detail: `exp is ${expiresAt}, now is ${Math.floor(nowMs / 1000)}`,
  })
}

/**
 * What is not known as revoked is good only where all revocations are known.
 * @throws {Refusal} `keys_unavailable`.
 */
export function requireAllRevocations({ gap }: Revocations): void {
  if (gap !== undefined) throw new Refusal('keys_unavailable', gapMessages[gap])
}

const gapMessages: Readonly<Record<RevocationGap, string>> = {
  unheard:
    'This sidecar has not heard of revocations for too long (revocation_max_age). Try again when its store answers.',
  too_many: 'More is revoked than this sidecar can keep. Its log says what to do.',
}

/** The checks that depend on the token and the keys alone. */
function authenticate(token: string, options: VerifyOptions): AuthenticToken {
  const { jws, claims } = parse(token, options)
  const { authorities, headers } = options.snapshot.trust
  const authority = authorities.get(claims.issuer)
  const authentic =
    authority === undefined
      ? authenticateIssued(token, jws, claims, options)
      : authenticateMinted(token, jws, claims, authority, options)
  keepHeader(jws, headers)
  return authentic
}

function authenticateIssued(
  token: string,
  jws: ParsedJws,
  claims: AssertionClaims,
  options: VerifyOptions,
): AuthenticToken {
  const algorithm = knownAlgorithm(jws, options)
  const issuers = options.snapshot.mesh.issuers.filter((issuer) => issuerMatches(issuer, claims))
  if (issuers.length === 0)
    throw fault(options, 'issuer', 'no issuer of the mesh file signs with this iss', {
      detail: issuerDetail(claims, options),
    })
  const listing = issuers.filter((issuer) => issuer.algorithms.includes(algorithm))
  if (listing.length === 0) throw fault(options, 'algorithm', 'its issuer does not list this algorithm')
  const { issuer, key } = findKey(jws, algorithm, listing, options)
  if (!signatureIsValid(algorithm, key.key, jws.signingInput, jws.signature)) {
    throw fault(options, 'signature', 'its signature is wrong')
  }
  const kind: PrincipalKind =
    claims.subject === ''
      ? 'anonymous'
      : issuer.serviceAccounts.has(claims.subject)
        ? 'service_account'
        : 'user'
  return {
    assertion: makeAssertion(token, jws, claims, kind, issuer.name, key.keyId),
    notBefore: claims.notBefore,
    certificateEndsMs: Infinity,
  }
}

function parse(token: string, options: VerifyOptions): { jws: ParsedJws; claims: AssertionClaims } {
  try {
    const jws = parseJws(token, 'JWT', options.snapshot.trust.headers)
    return { jws, claims: readClaims(jws.payload) }
  } catch (error) {
    if (error instanceof MalformedToken) throw fault(options, 'malformed', error.message)
    throw error
  }
}

function knownAlgorithm(jws: ParsedJws, options: VerifyOptions): SignatureAlgorithm {
  const algorithm = signatureAlgorithms.find((name) => name === jws.header.algorithm)
  if (algorithm === undefined) throw fault(options, 'algorithm', 'only asymmetric signatures are accepted')
  return algorithm
}

function issuerMatches(issuer: Issuer, claims: AssertionClaims): boolean {
  if (issuer.exact.includes(claims.issuer)) return true
  if (claims.audience === '') return false
  if (issuer.hostOnly && claims.issuer === claims.audience) return true
  return issuer.uri && claims.issuer === `https://${claims.audience}/`
}

/** Of what is not verified no more than fits a line, and nothing that is no text. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}

function issuerDetail(claims: AssertionClaims, { snapshot }: VerifyOptions): string {
  const accepted = snapshot.mesh.issuers.map(({ name, exact, hostOnly, uri }) => {
    const forms = [...(hostOnly ? ['hostOnly'] : []), ...(uri ? ['uri'] : []), ...exact]
    return `${name} signs with ${forms.join(', ')}`
  })
  return `iss is ${quoted(claims.issuer)}, aud is ${quoted(claims.audience)}; ${accepted.join('; ')}`
}

interface FoundKey {
  readonly issuer: Issuer
  readonly key: VerificationKey
}

function findKey(
  jws: ParsedJws,
  algorithm: SignatureAlgorithm,
  issuers: readonly Issuer[],
  options: VerifyOptions,
): FoundKey {
  let unavailable = false
  for (const issuer of issuers) {
    const entry = options.snapshot.trust.keysByIssuer.get(issuer.name)
    if (entry === undefined || options.nowMs > entry.usableUntilMs) {
      unavailable = true
      continue
    }
    const key = jws.header.keyId === undefined ? undefined : entry.keys.byId.get(jws.header.keyId)
    if (key?.algorithms.has(algorithm) === true) return { issuer, key }
  }
  const need: Need = { kind: 'keys', issuers, keyId: jws.header.keyId }
  const missing = options.missing(need)
  if (missing === 'ask') throw new Needed(need)
  if (unavailable || missing === 'unavailable') throw keysUnavailable()
  throw fault(options, 'key_unknown', 'its issuer publishes no such key', {
    detail: `kid is ${quoted(jws.header.keyId ?? '')}`,
  })
}

/** All that a minted assertion may say; any other claim would be the account's word about itself. */
const mintedClaims: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'user',
  'aud',
  'iat',
  'exp',
  'jti',
  'sid',
  'email',
  'groups',
  'name',
])

/** Of an assertion minted in a mesh only `sub` is believed: everything else about it must be empty. */
function authenticateMinted(
  token: string,
  jws: ParsedJws,
  claims: AssertionClaims,
  authority: Authority,
  options: VerifyOptions,
): AuthenticToken {
  const hasMore = claims.email !== '' || claims.groups.length > 0 || claims.name !== ''
  const hasOther = Object.keys(jws.payload).some((claim) => !mintedClaims.has(claim))
  if (hasMore || hasOther || claims.user !== claims.subject || claims.subject === '') {
    throw fault(options, 'malformed', 'a minted assertion is about its account and nothing else')
  }
  if (jws.header.algorithm !== 'ES256')
    throw fault(options, 'algorithm', 'a minted assertion is signed by ES256')
  const key = accountKey(jws, authority, options)
  if (key.account !== claims.subject) {
    throw fault(options, 'key_unknown', 'its certificate is of another account')
  }
  if (!signatureIsValid('ES256', key.key, jws.signingInput, jws.signature)) {
    throw fault(options, 'signature', 'its signature is wrong')
  }
  return {
    assertion: makeAssertion(token, jws, withinLife(claims), 'service_account', authority.name, key.keyId),
    notBefore: claims.notBefore,
    certificateEndsMs: key.notAfterMs,
  }
}

/** Seconds for which a minted assertion counts, whatever its `exp` says. */
const mintedLifeSeconds = 60

function withinLife(claims: AssertionClaims): AssertionClaims {
  return { ...claims, expiresAt: Math.min(claims.expiresAt, claims.issuedAt + mintedLifeSeconds) }
}

function accountKey(jws: ParsedJws, authority: Authority, options: VerifyOptions): AccountKey {
  const { peer, nowMs, missing, snapshot } = options
  const { keyId, certificates } = jws.header
  const { trust } = snapshot
  // By the clock of whoever uses a new certificate it has begun.
  const earlyMs = clockSkewSeconds * 1000
  const found = findAccountKey({ keyId, certificates, authority, trust, peer, nowMs, earlyMs, missing })
  if (isKey(found)) return found
  throw fault(options, 'key_unknown', 'its certificate is not one that mesh.ca vouches for', {
    cause: found.cause,
    detail: found.why,
  })
}

function makeAssertion(
  token: string,
  jws: ParsedJws,
  claims: AssertionClaims,
  kind: PrincipalKind,
  issuer: string,
  keyId: string,
): Assertion {
  return {
    token,
    tokenHash: hash('sha256', token, 'base64url'),
    kind,
    principal: { issuer, subject: claims.subject },
    audience: claims.audience,
    email: claims.email,
    groups: claims.groups,
    name: claims.name,
    sessionId: claims.sessionId,
    tokenId: claims.tokenId,
    issuedAt: claims.issuedAt,
    expiresAt: claims.expiresAt,
    keyId,
    claims: jws.payload,
  }
}

function keysUnavailable(): Refusal {
  return new Refusal('keys_unavailable', "The issuer's keys cannot be fetched now. Try again shortly.")
}

const roleNames = { assertion: 'The assertion', original_user: "The original user's assertion" } as const

function fault(
  { role }: Pick<VerifyOptions, 'role'>,
  kind: TokenFault,
  why: string,
  more: RefusalOptions = {},
): Refusal {
  return new Refusal(`${role}_${kind}`, `${roleNames[role]} is not accepted: ${why}.`, more)
}
