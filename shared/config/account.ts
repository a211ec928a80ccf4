// The names that certificates can carry: of service accounts and of meshes (SPIFFE-ID, sections 2.1 and 2.2).
import type { Parsed } from './address.ts'

/** Parses the name of a service account: the path of a SPIFFE id without its first slash. */
export function parseAccount(given: string): Parsed<string> {
  const fault =
    'must be letters, digits, dots, dashes and underscores, in parts separated by slashes, as in ns/shop/app'
  const isValid = given
    .split('/')
    .every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== '.' && part !== '..')
  return isValid && given.length <= 1024 ? { value: given } : { fault }
}

/** Parses the name of a mesh: the trust domain of its SPIFFE ids, and the `iss` of what it mints. */
export function parseTrustDomain(given: string): Parsed<string> {
  const fault =
    'must be a name of lower-case letters, digits, dots, dashes and underscores, such as mesh.example.com'
  return /^[a-z0-9._-]{1,255}$/.test(given) ? { value: given } : { fault }
}
