// The claims that an assertion has, each of its right type (RFC 7519 section 4.1, and as Pomerium signs them).
import { MalformedToken } from './jws.ts'

export interface AssertionClaims {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
  /** Seconds since the epoch. */
  readonly expiresAt: number
  readonly issuedAt: number
  readonly notBefore: number | undefined
  readonly tokenId: string
  readonly sessionId: string
  readonly user: string | undefined
  readonly email: string
  readonly groups: readonly string[]
  readonly name: string
}

type Payload = Readonly<Record<string, unknown>>

/** @throws {MalformedToken} a claim is missing or of another type; `aud` is one string, as Pomerium's always is. */
export function readClaims(payload: Payload): AssertionClaims {
  return {
    issuer: requiredText(payload, 'iss'),
    subject: requiredText(payload, 'sub'),
    audience: requiredText(payload, 'aud'),
    expiresAt: requiredTime(payload, 'exp'),
    issuedAt: requiredTime(payload, 'iat'),
    notBefore: payload['nbf'] === undefined ? undefined : requiredTime(payload, 'nbf'),
    tokenId: optionalText(payload, 'jti') ?? '',
    sessionId: optionalText(payload, 'sid') ?? '',
    user: optionalText(payload, 'user'),
    email: optionalText(payload, 'email') ?? '',
    groups: optionalList(payload, 'groups'),
    name: optionalText(payload, 'name') ?? '',
  }
}

/** @throws {MalformedToken} */
export function requiredText(payload: Payload, claim: string): string {
  const value = optionalText(payload, claim)
  if (value === undefined) throw new MalformedToken(`${claim} is missing`)
  return value
}

function optionalText(payload: Payload, claim: string): string | undefined {
  const value = payload[claim]
  if (value !== undefined && typeof value !== 'string') throw new MalformedToken(`${claim} is not a string`)
  return value
}

/** The year 9999: what is later is no time, and a token that ended then would never end. */
const latestSeconds = 253_402_300_799

/** Seconds since the epoch. @throws {MalformedToken} */
export function requiredTime(payload: Payload, claim: string): number {
  const value = payload[claim]
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new MalformedToken(
      value === undefined ? `${claim} is missing` : `${claim} is not a time in whole seconds`,
    )
  }
  if ((value as number) > latestSeconds) {
    throw new MalformedToken(`${claim} is not a time in seconds: it looks like milliseconds`)
  }
  return value as number
}

function optionalList(payload: Payload, claim: string): readonly string[] {
  const value = payload[claim]
  if (value === undefined) return []
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new MalformedToken(`${claim} is not a list of strings`)
  }
  return value as string[]
}
