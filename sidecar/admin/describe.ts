// What the admin listener shows of the sidecar: facts for people, with no secret among them.
import { ChainFault, type AccountKey } from '../../shared/certificate/chain.ts'
import type { Revocations } from '../../shared/assertion/verify.ts'
import type { Mesh, PathMatch } from '../../shared/config/mesh.ts'
import { meshIssuerName } from '../../shared/identity.ts'
import type { RouteChanges } from '../../shared/route-changes.ts'
import type { Trust } from '../../shared/trust.ts'
import type { Current } from '../runtime.ts'
import type { Sessions } from '../sessions.ts'

/** The mesh file as it is in effect. Secrets are in files, and only their names are here. */
export function describeConfig(mesh: Mesh): unknown {
  return {
    ...mesh,
    issuers: mesh.issuers.map((issuer) => ({
      ...issuer,
      serviceAccounts: [...issuer.serviceAccounts],
      jwksFrom: [...issuer.jwksFrom],
      edges: issuer.edges && { ...issuer.edges, sourceIp: issuer.edges.sourceIp.map(({ text }) => text) },
    })),
    trustDomains: mesh.trustDomains.map((domain) => ({ ...domain, accounts: [...domain.accounts] })),
    routes: mesh.routes.map((route) => ({
      ...route,
      acceptFor: [...route.acceptFor],
      match: matchAsText(route.match),
      arriving: matchAsText(route.arriving),
      changes: route.changes && changesAsText(route.changes),
      policy: undefined,
    })),
    ownRoutes: [...mesh.ownRoutes.keys()],
    routesByHost: [...mesh.routesByHost.keys()],
    accounts: [...mesh.accounts],
    accountsByService: listsOf(mesh.accountsByService),
    signersByService: listsOf(mesh.signersByService),
    shareWith: [...mesh.shareWith],
    sharedBy: [...mesh.sharedBy],
    calls: [...mesh.calls],
    claimHeaderNames: undefined,
    appByPort: Object.fromEntries(mesh.appByPort),
  }
}

function matchAsText(match: PathMatch): unknown {
  return match.kind === 'regex' ? { kind: 'regex', regex: match.regex.source } : match
}

/** Without the values of headers: some will be secrets that should not be there. */
function changesAsText({ path, host, removeRequest, ...fields }: RouteChanges): unknown {
  return {
    path: rewriteAsText(path),
    host: rewriteAsText(host),
    setRequest: namesOf(fields.setRequest),
    removeRequest: [...removeRequest],
    setResponse: namesOf(fields.setResponse),
    rewriteResponse: fields.rewriteResponse.map(({ name }) => name),
  }
}

function rewriteAsText(rewrite: RouteChanges['path'] | RouteChanges['host']): unknown {
  return rewrite !== undefined && 'pattern' in rewrite
    ? { ...rewrite, pattern: rewrite.pattern.source }
    : rewrite
}

function namesOf(fields: RouteChanges['setRequest']): string[] {
  return fields.map(([name]) => name)
}

function listsOf(sets: ReadonlyMap<string, ReadonlySet<string>>): Record<string, string[]> {
  return Object.fromEntries([...sets].map(([name, set]) => [name, [...set]]))
}

/** What keys are read from. */
export type Described = Pick<Current, 'snapshot' | 'credential'>

/** @param revocations what of it is revoked is there, and counts for nothing. */
export function describeKeys(
  { snapshot, credential }: Described,
  revocations: Pick<Revocations, 'isKeyRevoked'>,
) {
  const { trust } = snapshot
  return {
    issuers: snapshot.mesh.issuers.map(({ name, jwks }) => {
      const known = trust.keysByIssuer.get(name)
      return {
        issuer: name,
        from: jwks.kind === 'url' ? jwks.url : jwks.file,
        loaded: known !== undefined,
        key_ids: [...(known?.keys.byId.keys() ?? [])],
        revoked_key_ids: [...(known?.keys.byId.keys() ?? [])].filter((keyId) =>
          revocations.isKeyRevoked(keyId),
        ),
        usable_until: known === undefined ? undefined : new Date(known.usableUntilMs).toISOString(),
      }
    }),
    roots: [...trust.authorities.values()].flatMap(({ issuer, roots }) =>
      roots.map(({ subject, fingerprint256, validTo }) => ({
        issuer,
        subject,
        fingerprint256,
        valid_to: validTo,
      })),
    ),
    account: credential.minter && {
      account: credential.minter.account,
      key_id: credential.minter.keyId,
      valid_to: new Date(credential.minter.notAfterMs).toISOString(),
      revoked: revocations.isKeyRevoked(credential.minter.keyId),
    },
    pomerium_token: credential.pomeriumToken !== undefined,
  }
}

/** So many accounts' keys are published, those used last. */
const maxAccountKeys = 1_000

/**
 * A JWKS (RFC 7517) for apps that cannot reach the issuer, and for whoever checks evidence: the issuers' keys, then
 * those of this mesh's accounts as far as they are known here. Of the latter `sub` names the account.
 */
export function publishedKeySet(
  { snapshot, credential }: Described,
  revocations: Pick<Revocations, 'isKeyRevoked'>,
  nowMs: number,
): unknown {
  const { minter } = credential
  const issuers = [...snapshot.trust.keysByIssuer.values()].flatMap((entry) => entry.keys.jwks)
  const own = minter === undefined ? [] : [{ ...minter.publicJwk, sub: minter.account }]
  const others = knownAccountKeys(snapshot.trust, nowMs).filter(
    ({ keyId }) => keyId !== minter?.keyId && !revocations.isKeyRevoked(keyId),
  )
  return { keys: [...issuers, ...own, ...others.map(accountJwk)] }
}

function knownAccountKeys(
  { authorities, certificates, accountVerdicts }: Trust,
  nowMs: number,
): AccountKey[] {
  const authority = [...authorities.values()].find(({ name }) => name === meshIssuerName)
  if (authority === undefined) return []
  const chains = [...certificates.entries()].slice(-maxAccountKeys)
  return chains.flatMap(([keyId, chain]) => {
    try {
      // Each fails for itself: many that have ended must hide none that is good, and use up nobody's failures.
      return accountVerdicts.accountKey(chain, authority, keyId, nowMs) ?? []
    } catch (error) {
      if (error instanceof ChainFault) return []
      throw error
    }
  })
}

function accountJwk({ account, key, keyId }: AccountKey): unknown {
  const { kty, crv, x, y } = key.export({ format: 'jwk' })
  return { kty, crv, x, y, kid: keyId, alg: 'ES256', use: 'sig', sub: account }
}

export function describeSessions(sessions: Sessions) {
  const { size, lingering, bytes } = sessions
  return { active: size - lingering, lingering, bytes }
}
