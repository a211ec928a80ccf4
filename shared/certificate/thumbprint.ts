// The name of a key: its RFC 7638 thumbprint in the hex form that Pomerium uses for `kid`.
import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** Lower-case hex SHA-256 thumbprint of an EC or RSA public key (RFC 7638). Throws a TypeError for any other key. */
export function keyThumbprint(publicKey: KeyObject): string {
  const { kty, crv, x, y, e, n } = publicKey.export({ format: 'jwk' })
  if (kty !== 'EC' && kty !== 'RSA') throw new TypeError('neither an EC nor an RSA key')
  const members = kty === 'EC' ? { crv, kty, x, y } : { e, kty, n }
  return createHash('sha256').update(JSON.stringify(members)).digest('hex')
}
