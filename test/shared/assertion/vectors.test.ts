// Signatures as others published them for tests: what is valid there is valid here, and nothing else is.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { keySuits, parseKeySet, signatureIsValid } from '../../../shared/assertion/key-set.ts'
import type { SignatureAlgorithm } from '../../../shared/config/mesh.ts'

type Fields = Readonly<Record<string, string>>

const vectors = path.join(import.meta.dirname, 'vectors')

/** Groups of NIST's files: what stands between brackets, and the vectors below it, each `name = value` in a line of its own. */
function groupsOf(file: string): (readonly [name: string, vectors: readonly Fields[]])[] {
  const parts = readFileSync(path.join(vectors, file), 'utf8').split(/^\[(.+)\]$/m)
  return parts.flatMap((part, i) => (i % 2 === 1 ? [[part, vectorsIn(parts[i + 1] as string)]] : []))
}

function vectorsIn(text: string): Fields[] {
  const vectorTexts = text.trim().split('\n\n')
  return vectorTexts.map((vector) => Object.fromEntries(vector.split('\n').map((line) => line.split(' = '))))
}

/** @param bits of a number that has so many; without: as many octets as it has. */
function base64url(hex: string, bits = 0): string {
  const digits = Math.max(2 * Math.ceil(bits / 8), hex.length + (hex.length % 2))
  return Buffer.from(hex.padStart(digits, '0'), 'hex').toString('base64url')
}

interface Signed {
  readonly algorithm: SignatureAlgorithm
  readonly jwk: Fields
  readonly message: string
  readonly signature: Buffer
}

/** By the whole way from the published key: a key that is none verifies nothing. */
function isValid({ algorithm, jwk, message, signature }: Signed): boolean {
  const key = parseKeySet(JSON.stringify({ keys: [{ ...jwk, kid: 'a' }] })).byId.get('a')
  if (key === undefined || !keySuits(key, algorithm)) return false
  return signatureIsValid(algorithm, key.key, message, signature)
}

const latin1 = (hex: string) => Buffer.from(hex, 'hex').toString('latin1')

const curves: Readonly<
  Record<string, readonly [algorithm: SignatureAlgorithm, curve: string, bits: number]>
> = {
  'P-256,SHA-256': ['ES256', 'P-256', 256],
  'P-384,SHA-384': ['ES384', 'P-384', 384],
  'P-521,SHA-512': ['ES512', 'P-521', 521],
}

function signedOnCurve(group: string, { Msg = '', Qx = '', Qy = '', R = '', S = '' }: Fields): Signed {
  const [algorithm, crv, bits] = curves[group] as (typeof curves)[string]
  const parts = [R, S].map((part) => Buffer.from(base64url(part, bits), 'base64url'))
  const jwk = { kty: 'EC', crv, x: base64url(Qx, bits), y: base64url(Qy, bits) }
  return { algorithm, jwk, message: latin1(Msg), signature: Buffer.concat(parts) }
}

test('ECDSA, by NIST: 45 vectors, valid and changed in the message, r, s or the key', () => {
  const outcomes = groupsOf('ecdsa.rsp').flatMap(([group, all]) =>
    all.map((vector) => {
      const { Result = '' } = vector
      assert.equal(isValid(signedOnCurve(group, vector)), Result.startsWith('P'), Result)
      return Result
    }),
  )
  assert.equal(outcomes.length, 45)
})

const hashes: Readonly<Record<string, SignatureAlgorithm>> = {
  SHA256: 'RS256',
  SHA384: 'RS384',
  SHA512: 'RS512',
}

function signedByRsa(n: string, { SHAAlg = '', e = '', Msg = '', S = '' }: Fields): Signed {
  const algorithm = hashes[SHAAlg] as SignatureAlgorithm
  const jwk = { kty: 'RSA', n: base64url(n), e: base64url(e) }
  return { algorithm, jwk, message: latin1(Msg), signature: Buffer.from(S, 'hex') }
}

test('RSASSA-PKCS1-v1_5, by NIST: 108 vectors, valid and changed in the message, the exponent, the signature or its padding', () => {
  const outcomes = groupsOf('rsa.rsp').flatMap(([, [{ n = '' } = {}, ...all]]) =>
    all.map((vector) => {
      const { Result = '' } = vector
      assert.equal(isValid(signedByRsa(n, vector)), Result === 'P', Result)
      return Result
    }),
  )
  assert.equal(outcomes.length, 108)
})

/** The order of the group (RFC 8032 section 5.1), as octets are written there: the least first. */
const order = 2n ** 252n + 27742317777372353535851937790883648493n

function plusOrder(s: Buffer): Buffer {
  const sum = BigInt(`0x${Buffer.from(s).reverse().toString('hex')}`) + order
  return Buffer.from(sum.toString(16).padStart(64, '0'), 'hex').reverse()
}

function edwardsVectors(): Signed[] {
  const lines = readFileSync(path.join(vectors, 'ed25519.txt'), 'utf8').trim().split('\n')
  return lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const [key = '', message = '', signature = ''] = line.split(':')
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(key) }
      return { algorithm: 'EdDSA', jwk, message: latin1(message), signature: Buffer.from(signature, 'hex') }
    })
}

test('Ed25519, by its authors: 64 vectors, valid, and in each of three ways not', () => {
  const all = edwardsVectors()
  assert.equal(all.length, 64)
  for (const signed of all) {
    const [r, s] = [signed.signature.subarray(0, 32), signed.signature.subarray(32)]
    assert.equal(isValid(signed), true)
    assert.equal(isValid({ ...signed, message: `${signed.message}x` }), false)
    assert.equal(isValid({ ...signed, signature: Buffer.concat([s, r]) }), false)
    // The same s, but for the order (RFC 8032 section 5.1.7): a second signature that somebody else can make.
    assert.equal(isValid({ ...signed, signature: Buffer.concat([r, plusOrder(s)]) }), false)
  }
})
