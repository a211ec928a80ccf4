// An issuer's published keys, read from a JWKS (RFC 7517) with tolerance for what is not for us.
import { constants, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { signatureAlgorithms, type SignatureAlgorithm } from '../config/mesh.ts'

export interface VerificationKey {
  readonly keyId: string
  readonly key: KeyObject
  /** The only algorithm this key may be used with, where the JWK says so. */
  readonly algorithm: string | undefined
  /** Those that it suits: asked once, for what a key is made of is slow to learn. */
  readonly algorithms: ReadonlySet<SignatureAlgorithm>
}

/** A public key as published (RFC 7517), its public members only. */
export type PublicJwk = Readonly<Record<string, unknown>>

/** The keys of one document. Two documents with equal `text` are the same keys. */
export interface KeySet {
  readonly text: string
  readonly byId: ReadonlyMap<string, VerificationKey>
  /** The JWKs that we use, for those who cannot reach the issuer. */
  readonly jwks: readonly PublicJwk[]
}

/** Keys that one document may hold; more is no key set but an attack or a mistake. */
const maxKeys = 100

/**
 * Reads a JWKS. `{"keys": null}` is an empty set (Pomerium without a signing key); keys of foreign types,
 * for encryption, without `kid`, too weak, or private are passed over.
 * @throws {TypeError} the document is no JWKS.
 */
export function parseKeySet(text: string): KeySet {
  const jwks = publishedKeys(text)
  const usable: PublicJwk[] = []
  const byId = new Map<string, VerificationKey>()
  for (const jwk of jwks) {
    const key = readKey(jwk)
    if (key === undefined || byId.has(key.keyId)) continue
    byId.set(key.keyId, key)
    usable.push(publicMembers(jwk))
  }
  return { text, byId, jwks: usable }
}

function publishedKeys(text: string): readonly PublicJwk[] {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw new TypeError('the key set is not JSON')
  }
  if (typeof document !== 'object' || document === null || !('keys' in document)) {
    throw new TypeError('the key set has no member "keys"')
  }
  const keys = document.keys ?? []
  if (!Array.isArray(keys)) throw new TypeError('"keys" is not a list')
  if (keys.length > maxKeys) throw new TypeError(`the key set has more than ${maxKeys} keys`)
  return keys.filter((key): key is PublicJwk => typeof key === 'object' && key !== null)
}

const publicNames = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use'] as const

function publicMembers(jwk: PublicJwk): PublicJwk {
  return Object.fromEntries(publicNames.filter((name) => name in jwk).map((name) => [name, jwk[name]]))
}

function readKey(jwk: PublicJwk): VerificationKey | undefined {
  const { kid, alg, use, key_ops: operations, kty } = jwk
  if (typeof kid !== 'string' || kid === '') return undefined
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !allowsToVerify(operations)) return undefined
  if (alg !== undefined && typeof alg !== 'string') return undefined
  if (kty !== 'EC' && kty !== 'RSA' && kty !== 'OKP') return undefined
  // Who published the private key gave it away (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
  if ('d' in jwk) return undefined
  try {
    const key = createPublicKey({ key: publicMembers(jwk), format: 'jwk' })
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
      return undefined
    const named = { key, algorithm: alg }
    const algorithms = new Set(signatureAlgorithms.filter((algorithm) => keySuits(named, algorithm)))
    return { keyId: kid, ...named, algorithms }
  } catch {
    return undefined
  }
}

/** RFC 7517 section 4.3: a list of texts, none of them twice. */
function allowsToVerify(operations: unknown): boolean {
  if (!Array.isArray(operations) || new Set(operations).size !== operations.length) return false
  return operations.every((operation) => typeof operation === 'string') && operations.includes('verify')
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }

/** What each algorithm demands of a key and a signature (RFC 7518 section 3, RFC 8037 section 3.1). */
const rules: Record<
  SignatureAlgorithm,
  {
    readonly type: string
    readonly hash: string | null
    readonly curve?: string
    readonly bytes?: number
    readonly pss?: true
  }
> = {
  ES256: { type: 'ec', hash: 'sha256', curve: 'prime256v1', bytes: 64 },
  ES384: { type: 'ec', hash: 'sha384', curve: 'secp384r1', bytes: 96 },
  ES512: { type: 'ec', hash: 'sha512', curve: 'secp521r1', bytes: 132 },
  RS256: { type: 'rsa', hash: 'sha256' },
  RS384: { type: 'rsa', hash: 'sha384' },
  RS512: { type: 'rsa', hash: 'sha512' },
  PS256: { type: 'rsa', hash: 'sha256', pss: true },
  PS384: { type: 'rsa', hash: 'sha384', pss: true },
  PS512: { type: 'rsa', hash: 'sha512', pss: true },
  EdDSA: { type: 'ed25519', hash: null, bytes: 64 },
}

/** Whether a key may be used with an algorithm: its type, its curve, and its own `alg`. */
export function keySuits(
  key: Pick<VerificationKey, 'key' | 'algorithm'>,
  algorithm: SignatureAlgorithm,
): boolean {
  const rule = rules[algorithm]
  if (key.algorithm !== undefined && key.algorithm !== algorithm) return false
  if (key.key.asymmetricKeyType !== rule.type) return false
  return rule.curve === undefined || key.key.asymmetricKeyDetails?.namedCurve === rule.curve
}

/**
 * The length that RFC 8017 (8.1.2 and 8.2.2) demands of a signature by RSA: OpenSSL takes one by PSS
 * that lacks its leading zeros, and then one token has several spellings.
 */
const modulusBytes = (key: KeyObject): number => ((key.asymmetricKeyDetails?.modulusLength ?? 0) + 7) >> 3

/** Verifies on the calling thread: one-shot `crypto.verify` costs half of what a hop to WebCrypto's pool does. */
export function signatureIsValid(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  signingInput: string,
  signature: Buffer,
): boolean {
  const rule = rules[algorithm]
  if (signature.length !== (rule.bytes ?? modulusBytes(key))) return false
  const input = { key, dsaEncoding: 'ieee-p1363' as const, ...(rule.pss ? pss : undefined) }
  return verify(rule.hash, Buffer.from(signingInput, 'latin1'), input, signature)
}
