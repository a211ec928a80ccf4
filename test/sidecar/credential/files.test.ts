// Credential files: what is read, and what their readers are told when it cannot be.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import type { Authority } from '../../../shared/certificate/chain.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import {
  CredentialFault,
  parsePomeriumToken,
  parseRoots,
  pomeriumTokenHeader,
  readAccountCredential,
} from '../../../sidecar/credential/files.ts'
import type { AccountFiles } from '../../../sidecar/credential/files.ts'
import {
  basicConstraints,
  clockMs,
  dnsName,
  extension,
  keyUsage,
  leafExtensions,
  makeEcKeys,
  makeIntermediate,
  makeLeaf,
  makeMesh,
  makeRoot,
  makeRsaKeys,
  nameConstraints,
  subjectAltName,
  toPem,
} from '../../support/certificates.ts'

const mesh = makeMesh('mesh.example.com', ['api-access', 'ledger-access'])
const leaf = mesh.issue('api-access')
const good: AccountFiles = {
  certificatePem: leaf.pem,
  keyPem: leaf.keyPem,
  authority: mesh.authority,
  accounts: new Set(['api-access']),
  nowMs: clockMs,
}
const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0
const padding = (size: number) => extension('1.3.6.1.4.1.99999.1', false, Buffer.alloc(size))

/** Refuses in words, and never with what is in the key. */
function refuses(run: () => unknown, words: RegExp): void {
  assert.throws(run, (error: Error) => {
    assert.ok(error instanceof CredentialFault)
    assert.match(error.message, words)
    assert.doesNotMatch(inspect(error), /MIG|BEGIN PRIVATE KEY-----\n/)
    return true
  })
}

function refusesFiles(changes: Partial<AccountFiles>, words: RegExp): void {
  refuses(() => readAccountCredential({ ...good, ...changes }), words)
}

describe("an account's files", () => {
  test('give its credential', () => {
    const credential = readAccountCredential(good)
    assert.equal(credential.account, 'api-access')
    assert.equal(credential.keyId, keyThumbprint(leaf.keys.publicKey))
    assert.equal(credential.notAfterMs, leaf.shape.notAfterMs)
    assert.ok(credential.privateKey.equals(leaf.keys.privateKey))
    assert.deepEqual(
      credential.chain.map((one) => one.fingerprint256),
      [leaf.certificate.fingerprint256],
    )
  })

  test('may hold intermediates and the root, of which only the root stays at home', () => {
    const intermediate = makeIntermediate(mesh.root)
    const below = makeLeaf(intermediate, 'spiffe://mesh.example.com/api-access')
    const credential = readAccountCredential({
      ...good,
      certificatePem: below.pem + intermediate.pem + mesh.root.pem,
      keyPem: below.keyPem,
    })
    assert.deepEqual(
      credential.chain.map((one) => one.fingerprint256),
      [below.certificate.fingerprint256, intermediate.certificate.fingerprint256],
    )
  })

  test('may hold the key in the older form that openssl writes', () => {
    const sec1 = leaf.keys.privateKey.export({ type: 'sec1', format: 'pem' })
    const parameters = toPem('EC PARAMETERS', Buffer.from('06082a8648ce3d030107', 'hex'))
    for (const keyPem of [sec1, `${parameters}${sec1}`]) {
      assert.equal(readAccountCredential({ ...good, keyPem }).account, 'api-access')
    }
  })

  test('without a certificate are refused', () => {
    refusesFiles({ certificatePem: '' }, /certificate file holds no certificate in PEM/)
    refusesFiles({ certificatePem: leaf.der.toString('latin1') }, /holds no certificate in PEM/)
  })

  test('with the key in the certificate file are refused', () => {
    refusesFiles({ certificatePem: leaf.pem + leaf.keyPem }, /certificate file holds a private key/)
  })

  test('with something else in the certificate file are refused', () => {
    refusesFiles({ certificatePem: toPem('CERTIFICATE REQUEST', leaf.der) }, /holds a CERTIFICATE REQUEST/)
  })

  test('with a damaged certificate are refused', () => {
    refusesFiles(
      { certificatePem: leaf.pem + toPem('CERTIFICATE', leaf.der.subarray(5)) },
      /certificate 2 of the certificate file cannot be used/,
    )
    refusesFiles(
      { certificatePem: leaf.pem.replace('MII', '<p>').replace('MIIB', '<p>') },
      /certificate 1 of the certificate file is not valid base64/,
    )
  })

  test('with the key of another certificate are refused', () => {
    refusesFiles({ keyPem: mesh.issue('api-access').keyPem }, /key does not match the certificate/)
  })

  test('in the wrong order are refused', () => {
    refusesFiles(
      { certificatePem: mesh.root.pem + leaf.pem },
      /must begin with the account's own certificate/,
    )
  })

  test('with an encrypted key are refused', () => {
    const keyPem = leaf.keys.privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    refusesFiles({ keyPem }, /encrypted with a passphrase; decrypt it/)
    const older = leaf.keys.privateKey.export({
      type: 'sec1',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    refusesFiles({ keyPem: older }, /encrypted with a passphrase/)
  })

  test('without a key, or with a damaged one, are refused', () => {
    refusesFiles({ keyPem: leaf.pem }, /key file holds no private key/)
    refusesFiles({ keyPem: leaf.keyPem.replace('MIG', 'AAA') }, /cannot be read as a private key/)
  })

  test('with a key of another kind are refused', () => {
    for (const keys of [makeEcKeys('P-384'), makeRsaKeys(2048)]) {
      const keyPem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
      refusesFiles({ keyPem }, /must be an EC key on the curve P-256/)
    }
  })

  test('of another account of the mesh are refused, naming both', () => {
    refusesFiles(
      { accounts: new Set(['ledger-access']) },
      /SPIFFE id is spiffe:\/\/mesh\.example\.com\/api-access, but this service's account is spiffe:\/\/mesh\.example\.com\/ledger-access$/,
    )
    refusesFiles(
      { accounts: new Set(['ledger-access', 'x']) },
      /this service's accounts are spiffe:\/\/mesh\.example\.com\/ledger-access, spiffe:\/\/mesh\.example\.com\/x$/,
    )
    refusesFiles({ accounts: new Set() }, /accounts are not set/)
  })

  test('of an account that the mesh does not know are refused, naming both', () => {
    const stranger = mesh.issue('stranger')
    refusesFiles(
      { certificatePem: stranger.pem, keyPem: stranger.keyPem },
      /SPIFFE id is spiffe:\/\/mesh\.example\.com\/stranger, but this service's account is spiffe:\/\/mesh\.example\.com\/api-access$/,
    )
  })

  test('of another mesh are refused, naming the issuer', () => {
    const other = makeLeaf(mesh.root, 'spiffe://other.example.com/api-access')
    refusesFiles(
      { certificatePem: other.pem, keyPem: other.keyPem },
      /spiffe:\/\/other\.example\.com\/api-access, but .*; mesh\.issuer is mesh\.example\.com$/,
    )
  })

  test('without a SPIFFE id are refused, saying which', () => {
    const extensions = leafExtensions('', subjectAltName(dnsName('api')))
    const nameless = makeLeaf(mesh.root, '', { extensions })
    refusesFiles(
      { certificatePem: nameless.pem, keyPem: nameless.keyPem },
      /exactly one URI name.*spiffe:\/\/mesh\.example\.com\/api-access/,
    )
  })

  test('that mesh.ca did not sign are refused', () => {
    const other = makeMesh('mesh.example.com', ['api-access']).issue('api-access')
    refusesFiles({ certificatePem: other.pem, keyPem: other.keyPem }, /not signed by mesh\.ca/)
  })

  test('that have expired are refused, with the day', () => {
    refusesFiles(
      { nowMs: leaf.shape.notAfterMs + 1 },
      /^the certificate expired on 2026-04-15T12:00:00Z; renew it$/,
    )
  })

  test('that are not valid yet are refused, with the day', () => {
    refusesFiles({ nowMs: clockMs - 7_200_000 }, /not valid before 2026-01-15T11:00:00Z; check the clock/)
  })

  test('whose issuer has expired are refused, saying so', () => {
    const old = makeRoot({ notAfterMs: clockMs - 1000 })
    const below = makeLeaf(old, 'spiffe://mesh.example.com/api-access')
    const authority: Authority = { ...mesh.authority, roots: [old.certificate] }
    refusesFiles(
      { certificatePem: below.pem, keyPem: below.keyPem, authority },
      /^the certificate of an issuer expired on 2026-01-15T11:59:59Z/,
    )
  })

  test('of an authority are refused', () => {
    refusesFiles(
      { certificatePem: mesh.root.pem, keyPem: mesh.root.keyPem },
      /certificate authority; the account's own comes first/,
    )
  })

  test('that break another rule are refused in the words of that rule', () => {
    const extensions = leafExtensions('spiffe://mesh.example.com/api-access', keyUsage('keyEncipherment'))
    const mute = mesh.issue('api-access', { extensions })
    refusesFiles({ certificatePem: mute.pem, keyPem: mute.keyPem }, /keyUsage without digitalSignature/)
  })

  test('that do not fit into x5c are refused', () => {
    const extensions = [...leafExtensions('spiffe://mesh.example.com/api-access'), padding(3000)]
    const large = mesh.issue('api-access', { extensions })
    refusesFiles(
      { certificatePem: large.pem, keyPem: large.keyPem },
      /take \d{4} bytes in the x5c of an assertion, and at most 4096 travel/,
    )
  })

  test('with more certificates than x5c takes are refused', () => {
    const issuers = [mesh.root]
    for (let i = 0; i < 3; i++) issuers.unshift(makeIntermediate(issuers[0] ?? mesh.root))
    const deep = makeLeaf(issuers[0] ?? mesh.root, 'spiffe://mesh.example.com/api-access')
    const certificatePem = [deep, ...issuers].map((one) => one.pem).join('')
    refusesFiles(
      { certificatePem, keyPem: deep.keyPem },
      /holds 4 certificates besides the root, and at most 3/,
    )
  })
})

describe('the CA file', () => {
  test('gives its roots, several too', () => {
    const other = makeRoot()
    assert.deepEqual(
      parseRoots(`# ours\n${mesh.root.pem}${other.pem}`).map((one) => one.fingerprint256),
      [mesh.root.certificate.fingerprint256, other.certificate.fingerprint256],
    )
  })

  test('that openssl made is read', { skip: withoutOpenssl }, () => {
    const pem = execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        '/dev/null',
        '-subj',
        '/CN=x',
        '-addext',
        'keyUsage=critical,keyCertSign',
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
    assert.equal(parseRoots(pem).length, 1)
  })

  test('without a certificate is refused', () => {
    refuses(() => parseRoots('\n'), /the CA file holds no certificate/)
  })

  test('with a private key is refused', () => {
    refuses(() => parseRoots(mesh.root.pem + mesh.root.keyPem), /the CA file holds a private key/)
  })

  test('with a certificate that is no authority is refused, saying which', () => {
    refuses(() => parseRoots(leaf.pem), /^the certificate in the CA file is not a certificate authority/)
    refuses(
      () => parseRoots(mesh.root.pem + leaf.pem),
      /^certificate 2 of the CA file is not a certificate authority/,
    )
  })

  test('with an authority that may not sign certificates is refused', () => {
    const mute = makeRoot({ extensions: [basicConstraints(true), keyUsage('cRLSign')] })
    refuses(() => parseRoots(mute.pem), /lacks keyCertSign/)
  })

  test('with what no certificate of a chain may have is refused', () => {
    const narrow = makeRoot({
      extensions: [basicConstraints(true), keyUsage('keyCertSign'), nameConstraints(true)],
    })
    refuses(() => parseRoots(narrow.pem), /name constraints/)
  })
})

describe("Pomerium's token", () => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_8'

  test('is the file without its line end', () => {
    for (const end of ['', '\n', '\r\n']) assert.equal(parsePomeriumToken(jwt + end).expose(), jwt)
  })

  test('does not print', () => {
    assert.doesNotMatch(inspect({ token: parsePomeriumToken(jwt) }), /eyJ/)
  })

  test('that is no JWT is refused, without showing it', () => {
    const broken = [
      `${jwt}\n\n`,
      ` ${jwt}`,
      `${jwt}\nx`,
      'eyJ.eyJ',
      'eyJ.eyJ.',
      'eyJ..x',
      `${jwt}.x`,
      'eyJ.e=.x',
      `eyJ.e\0.x`,
      `Pomerium ${jwt}`,
    ]
    for (const text of broken) {
      assert.throws(
        () => parsePomeriumToken(text),
        (error: Error) =>
          error instanceof CredentialFault && /one JWT/.test(error.message) && !/eyJ/.test(inspect(error)),
      )
    }
  })

  test('that is missing is refused', () => {
    refuses(() => parsePomeriumToken('\n'), /token file is empty/)
  })

  test('is presented in each of the three forms', () => {
    const token = parsePomeriumToken(jwt)
    assert.deepEqual(pomeriumTokenHeader('header', token), ['x-pomerium-authorization', jwt])
    assert.deepEqual(pomeriumTokenHeader('authorization', token), ['authorization', `Pomerium ${jwt}`])
    assert.deepEqual(pomeriumTokenHeader('bearer', token), ['authorization', `Bearer Pomerium-${jwt}`])
  })
})
