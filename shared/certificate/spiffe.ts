// SPIFFE ids: how a certificate names the account of a mesh.

// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md sections 2.1 and 2.2
const trustDomain = /^[a-z0-9._-]{1,255}$/
const segment = /^[a-zA-Z0-9._-]+$/

const trustDomainIdPattern = /^spiffe:\/\/([^/]+)$/

/** The id of a mesh itself, which its CA may have: `spiffe://<issuer>`. */
export function trustDomainId(issuer: string): string {
  return `spiffe://${issuer}`
}

/** The id of an account: `spiffe://<issuer>/<account>`. */
export function spiffeId(issuer: string, account: string): string {
  return `${trustDomainId(issuer)}/${account}`
}

/** The issuer of the mesh that an id names, if it names no account. */
export function matchIssuer(id: string): string | undefined {
  return trustDomainIdPattern.exec(id)?.[1]
}

/** The account that an id names, if it is an id of this issuer. */
export function matchAccount(id: string, issuer: string): string | undefined {
  const prefix = spiffeId(issuer, '')
  return id.startsWith(prefix) ? id.slice(prefix.length) : undefined
}

/** The trust domain of an id, whether it names an account or not. */
export function trustDomainOf(id: string): string | undefined {
  return /^spiffe:\/\/([^/]+)(?:\/|$)/.exec(id)?.[1]
}

/** Whether `issuer` can be the trust domain of a SPIFFE id. */
export function isTrustDomain(issuer: string): boolean {
  return trustDomain.test(issuer)
}

/** Whether `account` can be the path of a SPIFFE id: segments between slashes, none of them empty or of dots alone. */
export function isAccountName(account: string): boolean {
  return account.split('/').every((part) => segment.test(part) && part !== '.' && part !== '..')
}
