// The stand-in's signing keys: the first one signs, all are published.
import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint, SignJWT, type JWK } from 'jose'

export type PomeriumAlgorithm = 'ES256' | 'RS256'

export interface SigningKey {
  readonly algorithm: PomeriumAlgorithm
  /** Hex RFC 7638 SHA-256 thumbprint. */
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: JWK
}

export async function generateSigningKey(algorithm: PomeriumAlgorithm): Promise<SigningKey> {
  const { privateKey, publicKey } = await generatePair(algorithm)
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  const kid = Buffer.from(await calculateJwkThumbprint(jwk, 'sha256'), 'base64url').toString('hex')
  return { algorithm, kid, privateKey, publicKey, jwk: { use: 'sig', alg: algorithm, kid, ...jwk } }
}

function generatePair(
  algorithm: PomeriumAlgorithm,
): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  const generate = promisify(generateKeyPair)
  return algorithm === 'ES256'
    ? generate('ec', { namedCurve: 'P-256' })
    : generate('rsa', { modulusLength: 2048 })
}

export function signAssertion(claims: Readonly<Record<string, unknown>>, key: SigningKey): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: 'JWT' })
    .sign(key.privateKey)
}

/** The key for encryption that older versions of Pomerium list among the others; it verifies nothing. */
export const foreignKey: JWK = {
  use: 'enc',
  kty: 'OKP',
  kid: 'pomerium/hpke',
  crv: 'X25519',
  x: createHash('sha256').update('pomerium/hpke').digest('base64url'),
}
