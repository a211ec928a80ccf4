// What the admin listener shows of the sidecar: facts for people, with no secret among them.
import type { Mesh } from '../../shared/config/mesh.ts'
import type { Current } from '../runtime.ts'
import type { Sessions } from '../sessions.ts'

/** The mesh file as it is in effect. Secrets are in files, and only their names are here. */
export function describeConfig(mesh: Mesh): unknown {
  return {
    ...mesh,
    issuers: mesh.issuers.map((issuer) => ({
      ...issuer,
      serviceAccounts: [...issuer.serviceAccounts],
      edges: issuer.edges && { ...issuer.edges, sourceIp: issuer.edges.sourceIp.map(({ text }) => text) },
    })),
    trustDomains: mesh.trustDomains.map((domain) => ({ ...domain, accounts: [...domain.accounts] })),
    routes: mesh.routes.map((route) => ({
      ...route,
      acceptFor: [...route.acceptFor],
      match: route.match.kind === 'regex' ? { kind: 'regex', regex: route.match.regex.source } : route.match,
      policy: undefined,
    })),
    ownRoutes: [...mesh.ownRoutes.keys()],
    routesByHost: [...mesh.routesByHost.keys()],
    accounts: [...mesh.accounts],
    calls: [...mesh.calls],
    claimHeaderNames: undefined,
    appByPort: Object.fromEntries(mesh.appByPort),
  }
}

export function describeKeys({ snapshot, credential }: Current): unknown {
  const { trust } = snapshot
  return {
    issuers: snapshot.mesh.issuers.map(({ name, jwks }) => {
      const known = trust.keysByIssuer.get(name)
      return {
        issuer: name,
        from: jwks.kind === 'url' ? jwks.url : jwks.file,
        loaded: known !== undefined,
        key_ids: [...(known?.keys.byId.keys() ?? [])],
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
    },
    pomerium_token: credential.pomeriumToken !== undefined,
  }
}

/** A JWKS (RFC 7517) for apps that cannot reach the issuer: the issuers' keys and this account's. */
export function publishedKeySet({ snapshot, credential }: Current): unknown {
  const keys = [...snapshot.trust.keysByIssuer.values()].flatMap((entry) => entry.keys.jwks)
  return { keys: credential.minter === undefined ? keys : [...keys, credential.minter.publicJwk] }
}

export function describeSessions(sessions: Sessions): unknown {
  const { size, lingering, bytes } = sessions
  return { active: size - lingering, lingering, bytes }
}
