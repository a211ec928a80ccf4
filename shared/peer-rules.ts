// Whom a connection may carry requests of, by whose certificate it showed (mutual TLS).
import type { Issuer, Mesh } from './config/mesh.ts'
import { Refusal } from './errors.ts'
import type { Assertion } from './identity.ts'
import type { PeerIdentity } from './peer.ts'

type Edges = NonNullable<Issuer['edges']>

/** Whether a connection comes from where an issuer's users come in. */
export function isEdge(edges: Edges, address: string, identity: PeerIdentity | undefined): boolean {
  const { clientCertificate, sourceIp } = edges
  if (identity?.kind === 'proven' && clientCertificate.includes(identity.name.uri)) return true
  return sourceIp.some((network) => network.contains(address))
}

/**
 * With `mesh.tls: strict` only accounts and edges are listened to.
 * @throws {Refusal} `client_certificate_` with `missing`, `invalid`, `expired`, `revoked`.
 */
export function admitPeer(mesh: Mesh, address: string, identity: PeerIdentity | undefined): void {
  if (mesh.tls !== 'strict') return
  if (identity?.kind === 'proven' && identity.name.isAccount) return
  if (mesh.issuers.some(({ edges }) => edges !== undefined && isEdge(edges, address, identity))) return
  throw notProven(identity)
}

/**
 * An assertion of the mesh is worth nothing in other hands than those of its account, wherever hands can be told apart.
 * @throws {Refusal} `client_certificate_` with `missing`, `invalid`, `expired`, `revoked`, `mismatch`.
 */
export function matchPeer(mesh: Mesh, caller: Assertion, identity: PeerIdentity | undefined): void {
  const { issuer, subject } = caller.principal
  if (mesh.issuers.some(({ name }) => name === issuer)) return
  if (identity === undefined && mesh.tls !== 'strict') return
  if (identity?.kind !== 'proven') throw notProven(identity)
  const { name } = identity
  if (name.isAccount && name.authority === issuer && name.account === subject) return
  throw new Refusal(
    'client_certificate_mismatch',
    'The assertion is of another account than the certificate of the connection. A service calls with its own.',
    { detail: `the certificate is of ${name.uri}, the assertion of ${subject} of ${issuer}` },
  )
}

function notProven(identity: PeerIdentity | undefined): Refusal {
  if (identity === undefined) {
    return new Refusal(
      'client_certificate_missing',
      'This service is reached by mutual TLS alone (mesh.tls: strict): connect in TLS, and show the certificate of an account.',
    )
  }
  const { code, why } = identity.kind === 'proven' ? notAdmitted(identity.name.uri) : identity
  return new Refusal(
    code,
    'The certificate of the connection is not one that is accepted here. The log of the sidecar says why.',
    { detail: why },
  )
}

function notAdmitted(uri: string) {
  const why = `${uri} is neither an account that the mesh file knows nor an edge of an issuer`
  return { code: 'client_certificate_invalid', why } as const
}
