// Links of evidence signed by hand, for the mesh of the tests: as its sidecars sign them, or otherwise.
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { hashOf } from '../../shared/evidence/link.ts'
import type { Certified } from '../../sidecar/ca.ts'
import { hosts, meshIssuer, x5cOf, type ServiceName, type TestMesh } from './mesh.ts'

type Members = Readonly<Record<string, unknown>>

export interface HandmadeLink {
  readonly account: string
  readonly to: ServiceName
  /** The original user's. */
  readonly token: string
  /** The link before. */
  readonly after?: string
  readonly claims?: Members
  readonly header?: Members
  readonly certified?: Certified
}

/** What a sidecar would sign for a call, but for what is said. */
export async function linkByHand(mesh: TestMesh, shape: HandmadeLink): Promise<string> {
  const { account, to, token, after, claims, header } = shape
  const certified = shape.certified ?? (await mesh.certified(account))
  const key = createPrivateKey(certified.keyPem)
  const payload = {
    iss: meshIssuer,
    sub: account,
    aud: hosts[to],
    route: to,
    iat: Math.floor(Date.now() / 1000),
    jti: randomBytes(12).toString('base64url'),
    txn: 'by-hand',
    oth: { 'x-pomerium-jwt-assertion-for': hashOf(token) },
    ...(after !== undefined && { prv: hashOf(after) }),
    ...claims,
  }
  const kid = keyThumbprint(createPublicKey(key))
  const given = { alg: 'ES256', typ: 'onbehalf-link+jwt', kid, x5c: x5cOf(certified), ...header }
  return forge({ header: given, payload, key })
}
