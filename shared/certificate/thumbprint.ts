// The name of a key: its RFC 7638 thumbprint in the hex form that Pomerium uses for `kid`.
import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** Lower-case hex SHA-256 thumbprint of an EC public key (RFC 7638). Throws a TypeError for any other key. */
export function keyThumbprint(publicKey: KeyObject): string {
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' })
  if (kty !== 'EC') throw new TypeError('not an EC key')
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('hex')
}
