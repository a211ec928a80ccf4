// The names that certificates can carry: of service accounts and of meshes (SPIFFE-ID, sections 2.1 and 2.2).
import { isAccountName, isTrustDomain, matchAccount, trustDomainOf } from '../certificate/spiffe.ts'
import type { Parsed } from './address.ts'

/** Parses the name of a service account: the path of a SPIFFE id without its first slash. */
export function parseAccount(given: string): Parsed<string> {
  const fault =
    'must be letters, digits, dots, dashes and underscores, in parts separated by slashes, as in ns/shop/app'
  return isAccountName(given) && given.length <= 1024 ? { value: given } : { fault }
}

/** Parses the name of a mesh: the trust domain of its SPIFFE ids, and the `iss` of what it mints. */
export function parseTrustDomain(given: string): Parsed<string> {
  const fault =
    'must be a name of lower-case letters, digits, dots, dashes and underscores, such as mesh.example.com'
  return isTrustDomain(given) ? { value: given } : { fault }
}

/** Parses the name that a certificate carries: the SPIFFE id of an account, of whatever mesh. */
export function parseSpiffeId(given: string): Parsed<string> {
  const issuer = trustDomainOf(given) ?? ''
  const isId = isTrustDomain(issuer) && isAccountName(matchAccount(given, issuer) ?? '')
  return isId ? { value: given } : { fault: 'must be a SPIFFE id such as spiffe://mesh.example.com/edge' }
}
