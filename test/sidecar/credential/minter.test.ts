// Minted assertions: their shape, and when one is minted anew.
import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { verifyAccountChain } from '../../../shared/certificate/chain.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { createMinter } from '../../../sidecar/credential/minter.ts'
import type { Minter, MinterOptions } from '../../../sidecar/credential/minter.ts'
import { clockMs, makeMesh, makeRsaKeys } from '../../support/certificates.ts'

const mesh = makeMesh('mesh.example.com', ['api-access'])
const leaf = mesh.issue('api-access')
const keyId = keyThumbprint(leaf.keys.publicKey)

interface Clock {
  nowMs: number
}

function makeMinter(changes: Partial<MinterOptions> = {}): { minter: Minter; clock: Clock } {
  const clock = { nowMs: clockMs }
  const minter = createMinter({
    account: 'api-access',
    issuer: 'mesh.example.com',
    privateKey: leaf.keys.privateKey,
    chain: [leaf.certificate],
    keyId,
    notAfterMs: clockMs + 86_400_000,
    now: () => clock.nowMs,
    ...changes,
  })
  return { minter, clock }
}

async function sessionOf(minter: Minter, audience: string): Promise<unknown> {
  return decodeJwt(minter.assertionFor(audience))['sid']
}

describe('a minted assertion', () => {
  test("has Pomerium's shape", async () => {
    const { minter } = makeMinter()
    const { jti, sid, ...claims } = decodeJwt(minter.assertionFor('api.example.com'))
    assert.deepEqual(claims, {
      iss: 'mesh.example.com',
      sub: 'api-access',
      user: 'api-access',
      aud: 'api.example.com',
      iat: clockMs / 1000,
      exp: clockMs / 1000 + 60,
      email: '',
      groups: [],
      name: '',
    })
    assert.match(String(jti), /^[0-9a-f-]{36}$/)
    assert.match(String(sid), /^[0-9a-f-]{36}$/)
  })

  test('carries the certificates by which it counts', async () => {
    const { minter } = makeMinter()
    const header = decodeProtectedHeader(minter.assertionFor('api.example.com'))
    assert.deepEqual(Object.keys(header), ['alg', 'kid', 'typ', 'x5c'])
    assert.equal(header.alg, 'ES256')
    assert.equal(header.typ, 'JWT')
    assert.equal(header.kid, keyId)
    const shown = verifyAccountChain(header.x5c ?? [], mesh.authority, clockMs)
    assert.equal(shown.account, 'api-access')
    assert.equal(shown.keyId, header.kid)
  })

  test('verifies with the key of the certificate that it carries', async () => {
    const { minter } = makeMinter()
    const token = minter.assertionFor('api.example.com')
    const [first] = decodeProtectedHeader(token).x5c as [string]
    const jwk = new X509Certificate(Buffer.from(first, 'base64')).publicKey.export({ format: 'jwk' })
    const { payload } = await jwtVerify(token, await importJWK(jwk, 'ES256'), {
      issuer: 'mesh.example.com',
      audience: 'api.example.com',
      algorithms: ['ES256'],
      currentDate: new Date(clockMs),
    })
    assert.equal(payload.sub, 'api-access')
  })

  test('verifies with the JWK that the minter publishes', async () => {
    const { minter } = makeMinter()
    const { publicJwk } = minter
    const token = minter.assertionFor('api.example.com')
    await jwtVerify(token, await importJWK({ ...publicJwk }), { currentDate: new Date(clockMs) })
    assert.equal(publicJwk.kid, keyId)
    assert.ok(createPublicKey({ key: { ...publicJwk }, format: 'jwk' }).equals(leaf.keys.publicKey))
  })

  test('names the same session all the minter long, and another one of another minter', async () => {
    const { minter } = makeMinter()
    assert.equal(await sessionOf(minter, 'a.example.com'), await sessionOf(minter, 'b.example.com'))
    assert.notEqual(
      await sessionOf(minter, 'a.example.com'),
      await sessionOf(makeMinter().minter, 'a.example.com'),
    )
  })
})

describe('the assertions of a minter', () => {
  test('are one for each audience', async () => {
    const { minter } = makeMinter()
    const a = minter.assertionFor('a.example.com')
    assert.equal(minter.assertionFor('a.example.com'), a)
    assert.equal(decodeJwt(minter.assertionFor('b.example.com')).aud, 'b.example.com')
  })

  test('are minted once for all who ask at the same time', async () => {
    const { minter } = makeMinter()
    const tokens = await Promise.all(
      Array.from({ length: 50 }, async () => minter.assertionFor('a.example.com')),
    )
    assert.equal(new Set(tokens).size, 1)
  })

  test('stay until half of their life is over', async () => {
    const { minter, clock } = makeMinter()
    const first = minter.assertionFor('a.example.com')
    clock.nowMs += 29_999
    assert.equal(minter.assertionFor('a.example.com'), first)
  })

  test('are renewed after half of their life, once for all who ask', async () => {
    const { minter, clock } = makeMinter()
    const first = minter.assertionFor('a.example.com')
    clock.nowMs += 30_000
    const tokens = Array.from({ length: 50 }, () => minter.assertionFor('a.example.com'))
    assert.equal(new Set(tokens).size, 1)
    assert.notEqual(tokens[0], first)
    assert.equal(decodeJwt(tokens[0] as string).exp, clock.nowMs / 1000 + 60)
  })

  test('are minted anew after the clock was set back', async () => {
    const { minter, clock } = makeMinter()
    minter.assertionFor('a.example.com')
    clock.nowMs -= 3_600_000
    assert.equal(decodeJwt(minter.assertionFor('a.example.com')).iat, clock.nowMs / 1000)
  })

  test('are kept for 1,000 audiences, those of the last use', async () => {
    const { minter } = makeMinter()
    const first = minter.assertionFor('0.example.com')
    const second = minter.assertionFor('1.example.com')
    for (let i = 2; i < 1000; i++) minter.assertionFor(`${i}.example.com`)
    assert.equal(minter.assertionFor('0.example.com'), first)
    minter.assertionFor('1000.example.com')
    assert.equal(minter.assertionFor('0.example.com'), first)
    assert.notEqual(minter.assertionFor('1.example.com'), second)
  })
})

describe('the end of the certificate', () => {
  test('is the end of the last assertions', async () => {
    const { minter, clock } = makeMinter({ notAfterMs: clockMs + 20_999 })
    assert.equal(decodeJwt(minter.assertionFor('a.example.com')).exp, clockMs / 1000 + 20)
    clock.nowMs += 10_000
    assert.equal(decodeJwt(minter.assertionFor('a.example.com')).exp, clockMs / 1000 + 20)
  })

  test('ends the minting', async () => {
    const { minter, clock } = makeMinter({ notAfterMs: clockMs + 20_000 })
    minter.assertionFor('a.example.com')
    clock.nowMs += 20_000
    const expected = { name: 'Refusal', code: 'credential_unavailable', status: 503 }
    await assert.rejects(async () => minter.assertionFor('a.example.com'), expected)
    await assert.rejects(async () => minter.assertionFor('b.example.com'), expected)
    clock.nowMs -= 10_000
    assert.ok(minter.assertionFor('b.example.com'))
  })
})

test('a minter does not take a key that is none of ES256', () => {
  assert.throws(() => makeMinter({ privateKey: makeRsaKeys(2048).privateKey }), TypeError)
})
