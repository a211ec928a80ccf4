// SPIFFE ids, thumbprints and PEM blocks.
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { describe, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { parsePem } from '../../../shared/certificate/pem.ts'
import {
  isAccountName,
  isTrustDomain,
  matchAccount,
  matchIssuer,
  spiffeId,
  trustDomainId,
} from '../../../shared/certificate/spiffe.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { makeEcKeys, makeRoot, makeEd25519Keys } from '../../support/certificates.ts'

describe('a SPIFFE id', () => {
  test('names an account of an issuer', () => {
    assert.equal(spiffeId('mesh.example.com', 'ns/shop/sa/app'), 'spiffe://mesh.example.com/ns/shop/sa/app')
    assert.equal(
      matchAccount('spiffe://mesh.example.com/ns/shop/sa/app', 'mesh.example.com'),
      'ns/shop/sa/app',
    )
  })

  test('without a path names a mesh', () => {
    assert.equal(matchIssuer(trustDomainId('mesh.example.com')), 'mesh.example.com')
    for (const id of [
      'spiffe://mesh.example.com/',
      'spiffe://mesh.example.com/a',
      'https://a',
      'spiffe://',
    ]) {
      assert.equal(matchIssuer(id), undefined)
    }
  })

  test('of another issuer names none', () => {
    for (const id of [
      'spiffe://mesh.example.com',
      'spiffe://mesh.example.com.evil/a',
      'https://mesh.example.com/a',
    ]) {
      assert.equal(matchAccount(id, 'mesh.example.com'), undefined)
    }
  })

  test('has a trust domain in lower case without port', () => {
    for (const good of ['mesh.example.com', 'a', 'a-b_c.9']) assert.ok(isTrustDomain(good), good)
    for (const bad of ['', 'Mesh.example.com', 'mesh:443', 'a/b', 'a b', 'é', 'a'.repeat(256), 'a\n']) {
      assert.ok(!isTrustDomain(bad), bad)
    }
  })

  test('has a path of segments that are neither empty nor dots', () => {
    for (const good of ['api-access', 'ns/shop/sa/app', 'A_b.c', '...']) assert.ok(isAccountName(good), good)
    for (const bad of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      'a/..',
      'a/./b',
      'a b',
      'a%20b',
      'a?b',
      'é',
      'a\n',
    ]) {
      assert.ok(!isAccountName(bad), bad)
    }
  })
})

describe('a thumbprint', () => {
  test('is the RFC 7638 thumbprint in hex', async () => {
    const { publicKey } = makeEcKeys()
    const expected = await calculateJwkThumbprint(publicKey.export({ format: 'jwk' }))
    assert.equal(keyThumbprint(publicKey), Buffer.from(expected, 'base64url').toString('hex'))
  })

  test('of a fixed key stays what it is', () => {
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      // RFC 7515 appendix A.3
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    }
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    assert.equal(keyThumbprint(key), 'a0a232c2f194a53553cb1310ddbc0821e414b9d7ebfc290b323084d7d1020fe5')
  })

  test('of an RSA key is that of RFC 7638 section 3.1', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    const key = createPublicKey({ key: { kty: 'RSA', e: 'AQAB', n }, format: 'jwk' })
    const given = Buffer.from('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs', 'base64url')
    assert.equal(keyThumbprint(key), given.toString('hex'))
  })

  test('is for EC and RSA keys alone', () => {
    assert.throws(() => keyThumbprint(makeEd25519Keys().publicKey), TypeError)
  })
})

describe('PEM', () => {
  const root = makeRoot()

  test('is read block by block, whatever stands between', () => {
    const text = `# a comment\r\n${root.pem.replaceAll('\n', '\r\n')}subject=x\n${root.keyPem}`
    const blocks = parsePem(text)
    assert.deepEqual(
      blocks.map((block) => block.label),
      ['CERTIFICATE', 'PRIVATE KEY'],
    )
    assert.ok(blocks[0]?.der?.equals(root.der))
  })

  test('without a block is an empty list', () => {
    assert.deepEqual(parsePem('nothing here'), [])
    assert.deepEqual(parsePem('-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----'), [])
  })

  test('with something else than base64 in a block says so', () => {
    const blocks = parsePem('-----BEGIN CERTIFICATE-----\n<html>\n-----END CERTIFICATE-----')
    assert.deepEqual(blocks, [{ label: 'CERTIFICATE', der: undefined }])
  })
})
