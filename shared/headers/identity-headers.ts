// The headers that tell an app who calls and on whose behalf: of verified assertions only.
import type { Mesh, Route } from '../config/mesh.ts'
import type { Evidence } from '../evidence/evidence.ts'
import { trimBlanks } from '../head.ts'
import type { Assertion } from '../identity.ts'
import { headerNames } from './names.ts'

interface Verified {
  readonly caller?: Assertion
  readonly originalUser?: Assertion
  readonly evidence?: Evidence
  readonly route?: Route
}

/** Names and values in turn; none on a route without `pass_identity_headers`, as in Pomerium. */
export function identityHeaders(verified: Verified, mesh: Pick<Mesh, 'claimHeaders'>): string[] {
  const { caller, originalUser, evidence, route } = verified
  const headers: string[] = []
  if (caller === undefined || route?.passIdentityHeaders !== true) return headers
  headers.push('X-Pomerium-Jwt-Assertion', caller.token)
  // A claim that is missing sets the header to an empty string, as in Pomerium: so an app never sees it unset.
  for (const { header, claim } of mesh.claimHeaders) headers.push(header, told(claim, claimOf(caller, claim)))
  if (originalUser === undefined) return headers
  headers.push('X-Pomerium-Jwt-Assertion-For', originalUser.token)
  headers.push('x-pomerium-original-user-id', told('sub', originalUser.principal.subject))
  headers.push('x-pomerium-original-user-email', told('email', originalUser.email))
  headers.push('x-pomerium-original-user-groups', told('groups', originalUser.groups))
  if (evidence !== undefined) headers.push(headerNames.chain, evidence.accounts.join(', '))
  return headers
}

function claimOf(assertion: Assertion, claim: string): unknown {
  return Object.hasOwn(assertion.claims, claim) ? assertion.claims[claim] : undefined
}

const naming: ReadonlySet<string> = new Set(['sub', 'user', 'email', 'groups'])

function told(claim: string, value: unknown): string {
  if (Array.isArray(value)) {
    const texts = value.map(plainText)
    return headerValue(texts.filter((text) => isTold(claim, text)).join(','))
  }
  const text = plainText(value)
  return isTold(claim, text) ? headerValue(text) : ''
}

/** No reader sees blanks around a value (RFC 9110 section 5.5): who or what is named with such would be another to the app. */
function isTold(claim: string, text: string): boolean {
  return !naming.has(claim) || trimBlanks(text) === text
}

function plainText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** UTF-8 on the wire, as Pomerium sends it; nothing of a value that could end or break the field. */
function headerValue(text: string): string {
  if (isPrintable(text)) return text
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  return /[\u0000-\u001f\u007f]/.test(text) ? '' : Buffer.from(text, 'utf8').toString('latin1')
}

function isPrintable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}
