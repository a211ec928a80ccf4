// What of a JWKS is used, and that a signature counts only under the right key and the right algorithm.
import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { compactVerify, CompactSign } from 'jose'
import { keySuits, parseKeySet, signatureIsValid } from '../../../shared/assertion/key-set.ts'
import { signatureAlgorithms, type SignatureAlgorithm } from '../../../shared/config/mesh.ts'
import { makeEcKeys, makeEd25519Keys, makeRsaKeys, type KeyPair } from '../../support/certificates.ts'

type JsonWebKey = Record<string, unknown>

const rsa = makeRsaKeys(2048)
const pairs: Readonly<Record<string, KeyPair>> = {
  'P-256': makeEcKeys('P-256'),
  'P-384': makeEcKeys('P-384'),
  'P-521': makeEcKeys('P-521'),
  secp256k1: makeEcKeys('secp256k1'),
  RSA: rsa,
  Ed25519: makeEd25519Keys(),
}
const keyTypeOf: Readonly<Record<SignatureAlgorithm, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  PS256: 'RSA',
  PS384: 'RSA',
  PS512: 'RSA',
  EdDSA: 'Ed25519',
}
const pairFor = (algorithm: SignatureAlgorithm): KeyPair => pairs[keyTypeOf[algorithm]] as KeyPair
const ec = pairs['P-256'] as KeyPair

const publicJwk = (key: KeyObject, more: JsonWebKey = {}): JsonWebKey => ({
  ...key.export({ format: 'jwk' }),
  ...more,
})
const ecJwk = (more: JsonWebKey = {}) => publicJwk(ec.publicKey, { kid: 'a', ...more })
const read = (...keys: unknown[]) => parseKeySet(JSON.stringify({ keys }))
const idsOf = (...keys: unknown[]) => [...read(...keys).byId.keys()]

test('keys are found by their kid', () => {
  const set = read(ecJwk(), publicJwk(rsa.publicKey, { kid: 'b', alg: 'RS256', use: 'sig' }))
  assert.deepEqual([...set.byId.keys()], ['a', 'b'])
  assert.equal(set.byId.get('a')?.algorithm, undefined)
  assert.equal(set.byId.get('b')?.algorithm, 'RS256')
  assert.ok(set.byId.get('a')?.key.equals(ec.publicKey))
})

test('a Pomerium without a signing key publishes null, which is an empty set', () => {
  assert.equal(parseKeySet('{"keys":null}').byId.size, 0)
})

test('an empty list is an empty set', () => assert.deepEqual(idsOf(), []))

for (const text of [
  '',
  'null',
  '[]',
  '1',
  '{}',
  '{"keys":1}',
  '{"keys":"x"}',
  '{"keys":{}}',
  '{"Keys":[]}',
  '<html>',
  '{"keys":[]',
]) {
  test(`${JSON.stringify(text)} is no key set`, () => assert.throws(() => parseKeySet(text), TypeError))
}

test('a document with more than 100 keys is no key set', () => {
  assert.throws(() => read(...Array.from({ length: 101 }, () => ecJwk())), TypeError)
  assert.doesNotThrow(() => read(...Array.from({ length: 100 }, () => ecJwk())))
})

const x25519 = generateKeyPairSync('x25519').publicKey
const passedOver: Readonly<Record<string, unknown>> = {
  "Pomerium's OKP key for encryption": publicJwk(x25519, { kid: 'pomerium/hpke', use: 'enc' }),
  'an OKP key of another curve that says it is for signatures': publicJwk(x25519, {
    kid: 'a',
    crv: 'X25519',
    x: '',
  }),
  'a key for encryption': ecJwk({ use: 'enc' }),
  'a key of unknown use': ecJwk({ use: 'both' }),
  'a key with a use that is no text': { ...ecJwk(), use: null },
  'a key that may only sign': ecJwk({ key_ops: ['sign'] }),
  'a key that names an operation twice': ecJwk({ key_ops: ['verify', 'verify'] }),
  'a key with an operation that is no text': { ...ecJwk(), key_ops: ['verify', null] },
  'a key whose operations are no list': { ...ecJwk(), key_ops: 'verify' },
  'a key without kid': publicJwk(ec.publicKey),
  'a key with an empty kid': ecJwk({ kid: '' }),
  'a key whose kid is a number': { ...ecJwk(), kid: 1 },
  'a shared secret': { kty: 'oct', k: 'AAAA', kid: 'a' },
  'a key of unknown type': { kty: 'AKP', kid: 'a', alg: 'ML-DSA-44', pub: 'AAAA' },
  'a key without type': { ...ecJwk(), kty: undefined },
  'a point that is not on the curve': ecJwk({ y: Buffer.alloc(32, 1).toString('base64url') }),
  'a key whose coordinate is missing': { ...ecJwk(), y: undefined },
  'a key whose coordinate is no text': { ...ecJwk(), x: 1 },
  'an RSA key of 1024 bits': publicJwk(makeRsaKeys(1024).publicKey, { kid: 'a' }),
  null: null,
  'a text': 'a',
  'a list': [],
}
for (const [name, jwk] of Object.entries(passedOver)) {
  test(`${name} is passed over, and the others are used`, () => {
    const good = publicJwk((pairs['P-384'] as KeyPair).publicKey, { kid: 'good' })
    assert.deepEqual(idsOf(jwk, good), ['good'])
    assert.equal(read(jwk, good).jwks.length, 1)
  })
}

test('a key that says it may verify is used', () =>
  assert.deepEqual(idsOf(ecJwk({ key_ops: ['verify'], use: 'sig' })), ['a']))

test('of two keys with one kid the first counts', () => {
  const set = read(ecJwk(), publicJwk((pairs['P-384'] as KeyPair).publicKey, { kid: 'a' }))
  assert.ok(set.byId.get('a')?.key.equals(ec.publicKey))
  assert.equal(set.jwks.length, 1)
})

test('of two keys with one kid the first that can be used counts', () => {
  const set = read(ecJwk({ use: 'enc' }), publicJwk((pairs['P-384'] as KeyPair).publicKey, { kid: 'a' }))
  assert.equal(set.byId.get('a')?.key.asymmetricKeyDetails?.namedCurve, 'secp384r1')
})

for (const type of ['P-256', 'RSA', 'Ed25519']) {
  test(`a private ${type} key that was published by mistake is neither kept nor passed on`, () => {
    const jwk = publicJwk((pairs[type] as KeyPair).privateKey, { kid: 'a' })
    assert.ok('d' in jwk)
    const set = read(jwk)
    assert.deepEqual([set.byId.size, set.jwks], [0, []])
  })
}

test('what else stands in a key is not passed on', () => {
  const [published] = read(
    ecJwk({ x5c: ['AAAA'], x5u: 'https://evil.example', key_ops: ['verify'], use: 'sig', alg: 'ES256' }),
  ).jwks
  assert.deepEqual(Object.keys(published ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

test('equal documents have equal text', () => {
  assert.equal(read(ecJwk()).text, read(ecJwk()).text)
  assert.notEqual(read(ecJwk()).text, read(ecJwk({ kid: 'b' })).text)
})

// Which key an algorithm may be used with.

for (const algorithm of signatureAlgorithms) {
  for (const [type, pair] of Object.entries(pairs)) {
    const fits = keyTypeOf[algorithm] === type
    test(`a key of type ${type} ${fits ? 'suits' : 'does not suit'} ${algorithm}`, () => {
      const key = { keyId: 'a', key: pair.publicKey, algorithm: undefined }
      assert.equal(keySuits(key, algorithm), fits)
    })
  }
}

test('a key that names its algorithm is used with no other', () => {
  const key = { keyId: 'a', key: rsa.publicKey, algorithm: 'RS256' }
  assert.deepEqual(
    signatureAlgorithms.filter((algorithm) => keySuits(key, algorithm)),
    ['RS256'],
  )
})

test('a key that names an algorithm which its type cannot do is used with none', () => {
  const key = { keyId: 'a', key: rsa.publicKey, algorithm: 'ES256' }
  assert.deepEqual(
    signatureAlgorithms.filter((algorithm) => keySuits(key, algorithm)),
    [],
  )
})

// Signatures, made by another library.

interface Signed {
  readonly token: string
  readonly input: string
  readonly signature: Buffer
}

async function signByJose(algorithm: SignatureAlgorithm): Promise<Signed> {
  const signer = new CompactSign(Buffer.from('{"sub":"alice"}')).setProtectedHeader({ alg: algorithm })
  const token = await signer.sign(pairFor(algorithm).privateKey)
  const cut = token.lastIndexOf('.')
  return { token, input: token.slice(0, cut), signature: Buffer.from(token.slice(cut + 1), 'base64url') }
}

for (const algorithm of signatureAlgorithms) {
  const { publicKey } = pairFor(algorithm)

  test(`a signature by ${algorithm} is valid here as it is to jose`, async () => {
    const { token, input, signature } = await signByJose(algorithm)
    assert.ok(await compactVerify(token, publicKey))
    assert.ok(signatureIsValid(algorithm, publicKey, input, signature))
  })

  test(`a signature by ${algorithm} is of this text and this key alone`, async () => {
    const { input, signature } = await signByJose(algorithm)
    assert.ok(!signatureIsValid(algorithm, publicKey, `${input}A`, signature))
    const type = keyTypeOf[algorithm]
    const other =
      type === 'RSA' ? makeRsaKeys(2048) : type === 'Ed25519' ? makeEd25519Keys() : makeEcKeys(type)
    assert.ok(!signatureIsValid(algorithm, other.publicKey, input, signature))
  })

  test(`a signature by ${algorithm} with a changed bit is not valid`, async () => {
    const { input, signature } = await signByJose(algorithm)
    for (const at of [0, signature.length >> 1, signature.length - 1]) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] as number) ^ 1
      assert.ok(!signatureIsValid(algorithm, publicKey, input, changed))
    }
  })

  test(`a signature by ${algorithm} of another length is not valid`, async () => {
    const { input, signature } = await signByJose(algorithm)
    const zero = Buffer.alloc(1)
    const wrong = [
      Buffer.alloc(0),
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([signature, zero]),
      Buffer.concat([zero, signature]),
    ]
    for (const bytes of wrong)
      assert.ok(!signatureIsValid(algorithm, publicKey, input, bytes), `${bytes.length} bytes`)
  })

  test(`a signature by ${algorithm} that is all zeros is not valid`, async () => {
    const { input, signature } = await signByJose(algorithm)
    assert.ok(!signatureIsValid(algorithm, publicKey, input, Buffer.alloc(signature.length)))
  })
}

test('a signature by PS256 without its leading zero is not valid', async () => {
  const { publicKey } = pairFor('PS256')
  // One in 256 begins with a zero.
  for (;;) {
    const { input, signature } = await signByJose('PS256')
    if (signature[0] !== 0) continue
    assert.ok(signatureIsValid('PS256', publicKey, input, signature))
    return assert.ok(!signatureIsValid('PS256', publicKey, input, signature.subarray(1)))
  }
})

for (const algorithm of ['ES256', 'ES384', 'ES512'] as const) {
  test(`a signature by ${algorithm} in DER instead of raw numbers is not valid`, () => {
    const { publicKey, privateKey } = pairFor(algorithm)
    const hash = `sha${algorithm.slice(2)}`
    // Of a length that varies: also one that is by chance as long as a raw one must be refused.
    for (let i = 0; i < 20; i++) {
      const signature = sign(hash, Buffer.from('a.b'), { key: privateKey, dsaEncoding: 'der' })
      assert.ok(!signatureIsValid(algorithm, publicKey, 'a.b', signature))
    }
  })
}

test('the two paddings of RSA are not taken for each other', async () => {
  for (const bits of ['256', '384', '512']) {
    const [pkcs, pss] = [`RS${bits}`, `PS${bits}`] as [SignatureAlgorithm, SignatureAlgorithm]
    const { input, signature } = await signByJose(pkcs)
    assert.ok(!signatureIsValid(pss, rsa.publicKey, input, signature))
    const other = await signByJose(pss)
    assert.ok(!signatureIsValid(pkcs, rsa.publicKey, other.input, other.signature))
  }
})

test('PSS with a salt of another length than the hash is not valid', () => {
  const key = createPrivateKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const signature = sign('sha256', Buffer.from('a.b'), { key, padding: 6, saltLength: 20 })
  assert.ok(!signatureIsValid('PS256', rsa.publicKey, 'a.b', signature))
})

test('the hashes of one key type are not taken for each other', async () => {
  const { input, signature } = await signByJose('RS256')
  assert.ok(!signatureIsValid('RS384', rsa.publicKey, input, signature))
  assert.ok(!signatureIsValid('RS512', rsa.publicKey, input, signature))
})
