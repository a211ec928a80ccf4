// The chain check: one test per rule, each with a certificate that breaks that rule alone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ChainFault, verifyAccountChain, verifyCertificates } from '../../../shared/certificate/chain.ts'
import type { Authority, ChainFaultCode } from '../../../shared/certificate/chain.ts'
import { chainFaultCodes } from '../../../shared/certificate/fault.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import {
  authorityKeyId,
  basicConstraints,
  clockMs,
  dnsName,
  extendedKeyUsage,
  extension,
  extensionIds,
  keyIdOf,
  keyUsage,
  leafExtensions,
  leafExtensionsWithout,
  mailName,
  makeEcKeys,
  makeEd25519Keys,
  makeIntermediate,
  makeLeaf,
  makeRoot,
  makeRsaKeys,
  makeRsaPssKeys,
  nameConstraints,
  signatureAlgorithm,
  subjectAltName,
  subjectKeyId,
  uriName,
  usageIds,
} from '../../support/certificates.ts'
import { commonName, der, nothing, objectId, sequence, time } from '../../support/der.ts'
import type { CertificateShape, TestCertificate, TestExtension } from '../../support/certificates.ts'

const issuer = 'mesh.example.com'
const uri = 'spiffe://mesh.example.com/ns/shop/sa/app'
const root = makeRoot()
const intermediate = makeIntermediate(root)
const rsaKeys = makeRsaKeys(2048)
const dayMs = 86_400_000

function authorityOf(...roots: TestCertificate[]): Authority {
  return {
    name: 'mesh',
    issuer,
    accounts: new Set(['ns/shop/sa/app', 'api-access']),
    roots: roots.map((one) => one.certificate),
  }
}

const authority = authorityOf(root)
const leaf = (changes?: Partial<CertificateShape>): TestCertificate => makeLeaf(root, uri, changes)
const leafWith = (...replaced: TestExtension[]): TestCertificate =>
  leaf({ extensions: leafExtensions(uri, ...replaced) })

const unknownExtension = (content: Buffer, critical = false): TestExtension =>
  extension('1.3.6.1.4.1.99999.1', critical, content)
const padded = (size: number): TestCertificate => leafWith(unknownExtension(Buffer.alloc(size)))
const trailing = (id: string, content: Buffer): TestExtension =>
  extension(id, true, Buffer.concat([content, nothing]))

function verify(chain: readonly TestCertificate[], by = authority, nowMs = clockMs) {
  return verifyAccountChain(
    chain.map((one) => one.base64),
    by,
    nowMs,
  )
}

const seen = new Set<ChainFaultCode>()

function refuses(code: ChainFaultCode, run: () => unknown): void {
  seen.add(code)
  assert.throws(
    run,
    (error) => error instanceof ChainFault && error.code === code && error.message.length > 20,
  )
}

/** A chain whose intermediate has these changes; all else is good. */
function refusesIntermediate(code: ChainFaultCode, changes: Partial<CertificateShape>): void {
  const evil = makeIntermediate(root, changes)
  refuses(code, () => verify([makeLeaf(evil, uri), evil]))
}

/** A chain whose root, though one of ours, has these changes; all else is good. */
function refusesRoot(code: ChainFaultCode, changes: Partial<CertificateShape>): void {
  const evil = makeRoot(changes)
  refuses(code, () => verify([makeLeaf(evil, uri)], authorityOf(evil)))
  refuses(code, () => verify([makeLeaf(evil, uri), evil], authorityOf(evil)))
}

const caExtensions = [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')]

describe('a good chain', () => {
  test('that a root signed shows the account and its key', () => {
    const good = leaf()
    const shown = verify([good])
    assert.equal(shown.account, 'ns/shop/sa/app')
    assert.equal(shown.keyId, keyThumbprint(good.keys.publicKey))
    assert.ok(shown.key.equals(good.keys.publicKey))
    assert.equal(shown.key.type, 'public')
  })

  test('through an intermediate counts', () => {
    assert.equal(verify([makeLeaf(intermediate, uri), intermediate]).account, 'ns/shop/sa/app')
  })

  test('may end in the root itself', () => {
    assert.equal(verify([makeLeaf(intermediate, uri), intermediate, root]).account, 'ns/shop/sa/app')
  })

  test('may end in an intermediate that is the trusted root', () => {
    assert.equal(
      verify([makeLeaf(intermediate, uri), intermediate], authorityOf(intermediate)).account,
      'ns/shop/sa/app',
    )
  })

  test('counts from files as it does from x5c', () => {
    const good = leaf()
    assert.equal(verifyCertificates([good.certificate], authority, clockMs).keyId, verify([good]).keyId)
  })

  test('counts where the root is RSA of 2048 bits', () => {
    const rsaRoot = makeRoot({ keys: rsaKeys, hash: 'sha384' })
    assert.equal(
      verify([makeLeaf(rsaRoot, uri, { hash: 'sha512' })], authorityOf(rsaRoot)).account,
      'ns/shop/sa/app',
    )
  })

  for (const curve of ['P-384', 'P-521']) {
    test(`counts where the root is on ${curve}`, () => {
      const other = makeRoot({ keys: makeEcKeys(curve) })
      assert.equal(verify([makeLeaf(other, uri)], authorityOf(other)).account, 'ns/shop/sa/app')
    })
  }

  test('finds the root that signed among several of the same name', () => {
    const others = [makeRoot(), makeRoot()]
    assert.equal(
      verify([leaf()], authorityOf(others[0] as TestCertificate, root, others[1] as TestCertificate)).account,
      'ns/shop/sa/app',
    )
  })

  test('counts by a renewed root where the old one of the same key has expired', () => {
    const old = makeRoot({ notAfterMs: clockMs - 1000 })
    const renewed = makeRoot({ keys: old.keys })
    assert.equal(verify([makeLeaf(old, uri)], authorityOf(old, renewed)).account, 'ns/shop/sa/app')
  })

  test('may have DNS names beside the one URI name, and a critical subjectAltName', () => {
    const names = sequence(dnsName('app.shop.svc'), uriName(uri), mailName('a@b'))
    const good = leafWith(extension(extensionIds.subjectAltName, true, names))
    assert.equal(verify([good]).account, 'ns/shop/sa/app')
  })

  test('may lack extendedKeyUsage, or allow any', () => {
    const without = leaf({ extensions: leafExtensionsWithout(uri, extensionIds.extendedKeyUsage) })
    assert.equal(verify([without]).account, 'ns/shop/sa/app')
    assert.equal(verify([leafWith(extendedKeyUsage(usageIds.any))]).account, 'ns/shop/sa/app')
    assert.equal(
      verify([leafWith(extendedKeyUsage(usageIds.codeSigning, usageIds.serverAuth))]).account,
      'ns/shop/sa/app',
    )
  })

  test('may lack basicConstraints in the leaf', () => {
    const without = leaf({ extensions: leafExtensionsWithout(uri, extensionIds.basicConstraints) })
    assert.equal(verify([without]).account, 'ns/shop/sa/app')
  })

  test('may have extensions that are not critical and not known', () => {
    assert.equal(verify([leafWith(unknownExtension(nothing))]).account, 'ns/shop/sa/app')
  })

  test('is valid from the latest start to the earliest end of the whole path', () => {
    const short = makeRoot({ notBeforeMs: clockMs - 5000, notAfterMs: clockMs + 9000 })
    const middle = makeIntermediate(short, { notBeforeMs: clockMs - 4000, notAfterMs: clockMs + 10_000 })
    const shown = verify([makeLeaf(middle, uri), middle], authorityOf(short))
    assert.equal(shown.notBeforeMs, clockMs - 4000)
    assert.equal(shown.notAfterMs, clockMs + 9000)
  })
})

describe('the form of x5c', () => {
  test('no certificate at all is refused', () => {
    refuses('malformed', () => verify([]))
  })

  test('more than 3 certificates are refused', () => {
    const second = makeIntermediate(intermediate)
    refuses('too_many_certificates', () => verify([makeLeaf(second, uri), second, intermediate, root]))
  })

  test('more than 4 KiB are refused, and 4 KiB are not', () => {
    const bare = padded(1000).der.length - 1000
    // 3072 bytes are 4096 characters of base64. Up to 4 bytes of slack: the signature's length varies.
    assert.equal(verify([padded(3072 - bare - 4)]).account, 'ns/shop/sa/app')
    refuses('too_large', () => verify([padded(3072 - bare + 8)]))
  })

  const variants: [string, (text: string) => string][] = [
    ['base64url', (text) => text.replaceAll('+', '-').replaceAll('/', '_')],
    ['line breaks', (text) => `${text.slice(0, 64)}\n${text.slice(64)}`],
    ['a space at the end', (text) => `${text} `],
    ['PEM', () => leaf().pem],
    ['PEM within base64', () => Buffer.from(leaf().pem).toString('base64')],
    ['nothing', () => ''],
    ['bytes after the certificate', () => Buffer.concat([leaf().der, Buffer.from([0])]).toString('base64')],
    ['half a certificate', () => leaf().der.subarray(0, 200).toString('base64')],
  ]
  for (const [name, change] of variants) {
    test(`${name} in place of standard base64 of one DER certificate is refused`, () => {
      // Long enough that its base64 has every character in it.
      const text = leafWith(unknownExtension(Buffer.from('+/+/fbfbfb_7_-', 'base64'))).base64
      refuses('malformed', () => verifyAccountChain([change(text)], authority, clockMs))
    })
  }

  test('a missing padding is refused', () => {
    let good = leaf()
    while (!good.base64.endsWith('=')) good = leaf()
    refuses('malformed', () => verifyAccountChain([good.base64.replace(/=+$/, '')], authority, clockMs))
  })
})

describe('every certificate', () => {
  test('of version 1 is refused', () => {
    refuses('version', () => verify([leaf({ version: undefined, extensions: [] })]))
    refusesIntermediate('version', { version: undefined, extensions: [] })
    refusesRoot('version', { version: undefined, extensions: [] })
  })

  test('of version 2 or 4 is refused', () => {
    refuses('version', () => verify([leaf({ version: 1 })]))
    refuses('version', () => verify([leaf({ version: 3 })]))
  })

  test('with an extension twice is refused', () => {
    const twice = [...leafExtensions(uri), keyUsage('digitalSignature')]
    refuses('duplicate_extension', () => verify([leaf({ extensions: twice })]))
    refusesIntermediate('duplicate_extension', { extensions: [...caExtensions, basicConstraints(true)] })
    refusesRoot('duplicate_extension', { extensions: [...caExtensions, basicConstraints(true)] })
  })

  test('with an unknown critical extension is refused', () => {
    const unknown = unknownExtension(nothing, true)
    refuses('critical_extension', () => verify([leafWith(unknown)]))
    refusesIntermediate('critical_extension', { extensions: [...caExtensions, unknown] })
    refusesRoot('critical_extension', { extensions: [...caExtensions, unknown] })
  })

  test('with critical certificate policies, which are not processed, is refused', () => {
    const policies = extension('2.5.29.32', true, sequence(sequence(objectId('2.5.29.32.0'))))
    refuses('critical_extension', () => verify([leafWith(policies)]))
  })

  for (const critical of [true, false]) {
    test(`with name constraints, critical: ${critical}, is refused`, () => {
      const constraints = nameConstraints(critical)
      refuses('name_constraints', () => verify([leafWith(constraints)]))
      refusesIntermediate('name_constraints', { extensions: [...caExtensions, constraints] })
      refusesRoot('name_constraints', { extensions: [...caExtensions, constraints] })
    })
  }

  test('that has expired is refused, at the millisecond', () => {
    const end = { notAfterMs: clockMs - 1000 }
    refuses('expired', () => verify([leaf(end)]))
    refusesIntermediate('expired', end)
    refusesRoot('expired', end)
    assert.equal(verify([leaf({ notAfterMs: clockMs })]).notAfterMs, clockMs)
    refuses('expired', () => verify([leaf({ notAfterMs: clockMs })], authority, clockMs + 1))
  })

  test('that is not valid yet is refused, at the millisecond', () => {
    const start = { notBeforeMs: clockMs + 1000 }
    refuses('not_yet_valid', () => verify([leaf(start)]))
    refusesIntermediate('not_yet_valid', start)
    refusesRoot('not_yet_valid', start)
    assert.equal(verify([leaf({ notBeforeMs: clockMs })]).notBeforeMs, clockMs)
    refuses('not_yet_valid', () => verify([leaf({ notBeforeMs: clockMs })], authority, clockMs - 1))
  })

  test('is refused where the clock is no number', () => {
    refuses('not_yet_valid', () => verify([leaf()], authority, Number.NaN))
  })

  test('that is valid beyond 2050 is read as such', () => {
    const long = makeRoot({ notAfterMs: Date.UTC(2051, 0, 1) })
    const shown = verify([makeLeaf(long, uri, { notAfterMs: Date.UTC(2050, 5, 1) })], authorityOf(long))
    assert.equal(shown.notAfterMs, Date.UTC(2050, 5, 1))
  })

  test('signed with SHA-1 or MD5 is refused', () => {
    refuses('signature_algorithm', () => verify([leaf({ hash: 'sha1' })]))
    refusesIntermediate('signature_algorithm', { hash: 'sha1' })
    const rsaRoot = makeRoot({ keys: rsaKeys })
    for (const hash of ['sha1', 'md5'] as const) {
      refuses('signature_algorithm', () => verify([makeLeaf(rsaRoot, uri, { hash })], authorityOf(rsaRoot)))
    }
  })

  test('that states another algorithm beside the signature than under it is refused', () => {
    const outerAlgorithm = signatureAlgorithm(root.keys.privateKey, 'sha384')
    refuses('malformed', () => verify([leaf({ outerAlgorithm })]))
  })

  test('made for other uses than clients and servers is refused', () => {
    const coding = extendedKeyUsage(usageIds.codeSigning)
    refuses('extended_key_usage', () => verify([leafWith(coding)]))
    refusesIntermediate('extended_key_usage', { extensions: [...caExtensions, coding] })
    refusesRoot('extended_key_usage', { extensions: [...caExtensions, coding] })
  })

  test('with unique identifiers, which no one issues any more, is refused', () => {
    const uniqueId = der(0x81, [0, 1])
    refuses('malformed', () => verify([leaf({ patch: (fields) => fields.toSpliced(-1, 0, uniqueId) })]))
  })

  test('with an impossible date is refused', () => {
    for (const text of [
      '270231000000Z',
      '271301000000Z',
      '270101240000Z',
      '2701010000Z',
      '270101000000+0100',
    ]) {
      const validity = sequence(time(clockMs - dayMs), der(0x17, Buffer.from(text)))
      refuses('malformed', () => verify([leaf({ patch: (fields) => fields.toSpliced(4, 1, validity) })]))
    }
  })
})

describe('an issuer', () => {
  test('without CA:true is refused: an account cannot certify another', () => {
    const account = leaf({ extensions: leafExtensions(uri, keyUsage('digitalSignature', 'keyCertSign')) })
    refuses('issuer_not_ca', () => verify([makeLeaf(account, uri), account]))
  })

  test('with CA:false or without basicConstraints is refused', () => {
    const usage = keyUsage('keyCertSign')
    refusesIntermediate('issuer_not_ca', { extensions: [basicConstraints(false), usage] })
    refusesIntermediate('issuer_not_ca', { extensions: [usage] })
    refusesRoot('issuer_not_ca', { extensions: [basicConstraints(false), usage] })
    refusesRoot('issuer_not_ca', { extensions: [usage] })
  })

  test('may have basicConstraints that are not critical', () => {
    const other = makeRoot({
      extensions: [basicConstraints(true, undefined, false), keyUsage('keyCertSign')],
    })
    assert.equal(verify([makeLeaf(other, uri)], authorityOf(other)).account, 'ns/shop/sa/app')
  })

  test('without keyCertSign, or without keyUsage, is refused', () => {
    const usage = keyUsage('digitalSignature', 'cRLSign')
    refusesIntermediate('issuer_key_usage', { extensions: [basicConstraints(true), usage] })
    refusesIntermediate('issuer_key_usage', { extensions: [basicConstraints(true)] })
    refusesRoot('issuer_key_usage', { extensions: [basicConstraints(true), usage] })
    refusesRoot('issuer_key_usage', { extensions: [basicConstraints(true)] })
  })

  test('that allows fewer certificates below it is refused', () => {
    const tight = makeRoot({ extensions: [basicConstraints(true, 0), keyUsage('keyCertSign')] })
    assert.equal(verify([makeLeaf(tight, uri)], authorityOf(tight)).account, 'ns/shop/sa/app')
    const middle = makeIntermediate(tight)
    refuses('path_length', () => verify([makeLeaf(middle, uri), middle], authorityOf(tight)))
    refuses('path_length', () => verify([makeLeaf(middle, uri), middle, tight], authorityOf(tight)))
  })

  test('in the middle that allows fewer certificates below it is refused', () => {
    const tight = makeIntermediate(root, { extensions: [basicConstraints(true, 0), keyUsage('keyCertSign')] })
    assert.equal(verify([makeLeaf(tight, uri), tight]).account, 'ns/shop/sa/app')
    const below = makeIntermediate(tight)
    refuses('path_length', () => verify([makeLeaf(below, uri), below, tight]))
  })

  test('that allows just as many certificates below it is accepted', () => {
    const fitting = makeRoot({ extensions: [basicConstraints(true, 1), keyUsage('keyCertSign')] })
    const middle = makeIntermediate(fitting)
    assert.equal(verify([makeLeaf(middle, uri), middle], authorityOf(fitting)).account, 'ns/shop/sa/app')
  })

  test('with a path length but without CA:true is refused', () => {
    const odd = extension(extensionIds.basicConstraints, true, sequence(Buffer.from([0x02, 0x01, 0x00])))
    refusesIntermediate('malformed', { extensions: [odd, keyUsage('keyCertSign')] })
  })

  test('with an RSA key of 1024 bits is refused', () => {
    const keys = makeRsaKeys(1024)
    refusesIntermediate('issuer_key', { keys })
    refusesRoot('issuer_key', { keys })
  })

  test('with a key on another curve is refused', () => {
    const keys = makeEcKeys('secp256k1')
    refusesIntermediate('issuer_key', { keys })
    refusesRoot('issuer_key', { keys })
  })

  test('with an Ed25519 key, or an RSA key for RSASSA-PSS, is refused', () => {
    refusesIntermediate('issuer_key', { keys: makeEd25519Keys() })
    refusesIntermediate('issuer_key', { keys: makeRsaPssKeys(2048) })
  })

  test('whose name is not what the certificate says is refused', () => {
    const renamed = makeLeaf(intermediate, uri, { issuer: 'Test intermediate' })
    refuses('issuer_name', () => verify([renamed, intermediate]))
    refuses('untrusted', () => verify([leaf({ issuer: 'test root' })]))
  })

  test('of the right name that did not sign is refused', () => {
    const impostor = makeIntermediate(root)
    refuses('signature', () => verify([makeLeaf(impostor, uri), intermediate]))
  })

  test('whose key is not the one that the certificate names is refused', () => {
    const own = keyIdOf(intermediate.keys.publicKey)
    const marked = makeIntermediate(root, {
      keys: intermediate.keys,
      extensions: [...caExtensions, subjectKeyId(own)],
    })
    const naming = (id: Buffer): TestCertificate =>
      makeLeaf(marked, uri, { extensions: leafExtensions(uri, authorityKeyId(id)) })
    assert.equal(verify([naming(own), marked]).account, 'ns/shop/sa/app')
    refuses('issuer_mismatch', () => verify([naming(Buffer.alloc(20, 7)), marked]))
  })
})

describe('the end of the path', () => {
  test('at a root of the same name with another key is refused', () => {
    refuses('untrusted', () => verify([leaf()], authorityOf(makeRoot())))
  })

  test('at a root that is not ours is refused, though it travels along', () => {
    const foreign = makeRoot()
    refuses('untrusted', () => verify([makeLeaf(foreign, uri), foreign]))
  })

  test('without any root is refused', () => {
    refuses('untrusted', () => verify([leaf()], authorityOf()))
  })

  test('at an intermediate whose root is missing is refused', () => {
    refuses('untrusted', () => verify([makeLeaf(intermediate, uri)]))
  })

  test('before a certificate that is no part of it is refused', () => {
    refuses('issuer_name', () => verify([leaf(), intermediate]))
    refuses('untrusted', () => verify([leaf(), root, makeRoot()], authorityOf(root)))
  })

  test('in the wrong order is refused', () => {
    refuses('leaf_is_ca', () => verify([intermediate, makeLeaf(intermediate, uri)]))
    refuses('issuer_name', () => verify([makeLeaf(intermediate, uri), root, intermediate]))
  })

  test('at a self-signed account is refused, even where it is among the roots', () => {
    const keys = makeEcKeys()
    const self = leaf({ keys, signer: keys.privateKey, subject: 'Self', issuer: 'Self' })
    refuses('untrusted', () => verify([self]))
    refuses('issuer_not_ca', () => verify([self], authorityOf(self)))
    refuses('issuer_not_ca', () => verify([self, self], authorityOf(self)))
  })
})

describe("the account's certificate", () => {
  test('of an authority is refused', () => {
    refuses('leaf_is_ca', () => verify([leafWith(basicConstraints(true))]))
    refuses('leaf_is_ca', () => verify([root]))
  })

  test('that may sign certificates or revocation lists is refused', () => {
    refuses('leaf_is_ca', () => verify([leafWith(keyUsage('digitalSignature', 'keyCertSign'))]))
    refuses('leaf_is_ca', () => verify([leafWith(keyUsage('digitalSignature', 'cRLSign'))]))
  })

  test('without digitalSignature, or without keyUsage, is refused', () => {
    refuses('leaf_key_usage', () => verify([leafWith(keyUsage('keyEncipherment'))]))
    refuses('leaf_key_usage', () =>
      verify([leaf({ extensions: leafExtensionsWithout(uri, extensionIds.keyUsage) })]),
    )
  })

  test('with any other key than EC P-256 is refused', () => {
    for (const keys of [makeEcKeys('P-384'), makeEcKeys('secp256k1'), rsaKeys, makeEd25519Keys()]) {
      refuses('leaf_key', () => verify([leaf({ keys })]))
    }
  })

  test('with P-256 spelled out as parameters is refused', () => {
    const named = makeEcKeys().publicKey.export({ type: 'spki', format: 'der' })
    const point = named.subarray(-68)
    const explicit = sequence(
      sequence(objectId('1.2.840.10045.2.1'), sequence(Buffer.from([2, 1, 1]))),
      point,
    )
    refuses('leaf_key', () => verify([leaf({ publicKey: explicit })]))
  })

  test('with a point that is not on the curve is refused', () => {
    const publicKey = Buffer.from(makeEcKeys().publicKey.export({ type: 'spki', format: 'der' }))
    publicKey.fill(1, publicKey.length - 64)
    refuses('malformed', () => verify([leaf({ publicKey })]))
  })

  test('without a URI name is refused', () => {
    refuses('leaf_uri', () => verify([leafWith(subjectAltName(dnsName(issuer)))]))
    refuses('leaf_uri', () =>
      verify([leaf({ extensions: leafExtensionsWithout(uri, extensionIds.subjectAltName) })]),
    )
  })

  test('with two URI names is refused, whatever their order', () => {
    const other = uriName('https://app.example.com/')
    refuses('leaf_uri', () => verify([leafWith(subjectAltName(uriName(uri), other))]))
    refuses('leaf_uri', () => verify([leafWith(subjectAltName(other, uriName(uri)))]))
    refuses('leaf_uri', () => verify([leafWith(subjectAltName(uriName(uri), uriName(uri)))]))
  })

  test('whose DNS name prints like a URI name names no account', () => {
    refuses('leaf_uri', () => verify([leafWith(subjectAltName(dnsName(`x, URI:${uri}`)))]))
  })

  const foreign = [
    'spiffe://mesh.example.com.evil.com/api-access',
    'spiffe://mesh.example.co/api-access',
    'spiffe://other.example.com/api-access',
    'SPIFFE://mesh.example.com/api-access',
    'spiffe://MESH.example.com/api-access',
    'spiffe://mesh.example.com:443/api-access',
    'spiffe://mesh.example.com',
    'https://mesh.example.com/api-access',
    'x,spiffe://mesh.example.com/api-access',
  ]
  for (const name of foreign) {
    test(`named ${name} is no account of this mesh`, () => {
      refuses('account_issuer', () => verify([leafWith(subjectAltName(uriName(name)))]))
    })
  }

  const unknown = [
    'ledger-access',
    '',
    'api-access/',
    '/api-access',
    'API-access',
    'api-access?x',
    'api-access#x',
    'api%2Daccess',
    'ns/../api-access',
    'api-access,URI:spiffe://mesh.example.com/ns/shop/sa/app',
  ]
  for (const account of unknown) {
    test(`of the account "${account}", which the mesh file does not know, is refused`, () => {
      const name = uriName(`spiffe://mesh.example.com/${account}`)
      refuses('account_unknown', () => verify([leafWith(subjectAltName(name))]))
    })
  }

  for (const text of ['\0', ' ', '\n', 'é']) {
    test(`whose URI name holds ${JSON.stringify(text)} is refused`, () => {
      refuses('malformed', () => verify([leafWith(subjectAltName(uriName(`${uri}${text}`)))]))
    })
  }

  test('with a name of an unknown kind is refused', () => {
    refuses('malformed', () => verify([leafWith(subjectAltName(uriName(uri), der(0xa6, Buffer.from(uri))))]))
  })

  test('with bytes after a field of an extension is refused', () => {
    refuses('malformed', () =>
      verify([leafWith(trailing(extensionIds.subjectAltName, sequence(uriName(uri))))]),
    )
    refuses('malformed', () => verify([leafWith(trailing(extensionIds.keyUsage, der(0x03, [7, 0x80])))]))
    refuses('malformed', () => verify([leafWith(trailing(extensionIds.basicConstraints, sequence()))]))
  })

  test('with more fields than X.509 knows is refused', () => {
    refuses('malformed', () => verify([leaf({ patch: (fields) => [...fields, commonName('more')] })]))
  })
})

test('every code was seen in a test above', () => {
  assert.deepEqual([...seen].sort(), [...chainFaultCodes].sort())
})
