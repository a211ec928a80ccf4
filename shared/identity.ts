// Whom an assertion is about. These types exist only for what was verified.

/** Whom an assertion is about. The same subject of another issuer is someone else. */
export interface Principal {
  /** The name of the issuer's entry in the mesh file; `mesh` for this mesh, the issuer string for a trusted one. */
  readonly issuer: string
  readonly subject: string
}

export type PrincipalKind = 'user' | 'service_account' | 'anonymous'

/** A signed JWT about a principal, after it was verified. */
export interface Assertion {
  /** The JWT, byte for byte as received. A secret: never logged. */
  readonly token: string
  /** base64url(sha256(token)): by it links say whose request they carried. */
  readonly tokenHash: string
  readonly kind: PrincipalKind
  readonly principal: Principal
  /** The host of the route it was made for: lower case, without port. */
  readonly audience: string
  readonly email: string
  readonly groups: readonly string[]
  readonly name: string
  /** `sid`, or empty. */
  readonly sessionId: string
  /** `jti`, or empty. */
  readonly tokenId: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** The key that verified it. */
  readonly keyId: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** The name by which PPL and `routes` know the issuer of this mesh's own service accounts. */
export const meshIssuerName = 'mesh'

export function samePrincipal(a: Principal, b: Principal): boolean {
  return a.issuer === b.issuer && a.subject === b.subject
}
