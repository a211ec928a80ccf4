// The attacker has a certificate, but not the right one, or the right one of a small account, and wants to call as another.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import {
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  leafExtensions,
  leafExtensionsWithout,
  extensionIds,
  makeEcKeys,
  makeIntermediate,
  makeLeaf,
  makeRoot,
  nameConstraints,
  subjectAltName,
  uriName,
  usageIds,
  type CertificateShape,
  type TestCertificate,
} from '../support/certificates.ts'
import { send } from '../support/client.ts'
import { hosts, meshIssuer, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, mintedClaims } from './attack.ts'

const hourMs = 3_600_000
const validNow = { notBeforeMs: Date.now() - hourMs, notAfterMs: Date.now() + hourMs }
const uriOf = (account: string) => `spiffe://${meshIssuer}/${account}`

const root = makeRoot({ ...validNow, extensions: [basicConstraints(true), keyUsage('keyCertSign')] })
const otherRoot = makeRoot(validNow)
const issue = (account: string, changes: Partial<CertificateShape> = {}, by: TestCertificate = root) =>
  makeLeaf(by, uriOf(account), { ...validNow, ...changes })
const ledgerAccess = issue('ledger-access')

/** A mesh whose CA is the test's own. */
function startOwnMesh(t: TestContext, options: MeshOptions = {}): Promise<TestMesh> {
  const files = {
    'ca.pem': root.pem,
    'ledger-access.pem': ledgerAccess.pem,
    'ledger-access-key.pem': ledgerAccess.keyPem,
  }
  return startMesh(t, { run: ['API'], ...options, files })
}

type Changes = Readonly<Record<string, unknown>>

function mint(chain: readonly TestCertificate[], claims: Changes = {}, header: Changes = {}): string {
  const { publicKey, privateKey } = (chain[0] as TestCertificate).keys
  const x5c = chain.map(({ base64 }) => base64)
  const given = { alg: 'ES256', typ: 'JWT', kid: keyThumbprint(publicKey), x5c, ...header }
  return forge({ header: given, payload: { ...mintedClaims('api-access'), ...claims }, key: privateKey })
}

const presentAtApi = (mesh: TestMesh, token: string) =>
  send({ port: mesh.sidecars.API.inbound, headers: [assertionName, token] })

const good = issue('api-access')
const selfSigned = () => {
  const keys = makeEcKeys()
  return issue('api-access', { keys, signer: keys.privateKey, issuer: 'Test Account' })
}
const below = (intermediate: TestCertificate) => [issue('api-access', {}, intermediate), intermediate]
const leafExtensionsOf = (...more: Parameters<typeof leafExtensions>[1][]) =>
  leafExtensions(uriOf('api-access'), ...more)

const rows: readonly (readonly [name: string, token: () => string, code?: string])[] = [
  ['a certificate of another CA', () => mint([issue('api-access', {}, otherRoot)])],
  ['the other CA itself beside it', () => mint([issue('api-access', {}, otherRoot), otherRoot])],
  ['a certificate that signed itself', () => mint([selfSigned()])],
  ['the root itself', () => mint([root])],
  [
    'the root under the name of an account',
    () => mint([issue('api-access', { ...root.shape, ...validNow })]),
  ],
  [
    "another account's certificate as its issuer",
    () => mint([issue('api-access', {}, { ...ledgerAccess, shape: ledgerAccess.shape }), ledgerAccess]),
  ],
  [
    "another account's certificate as its issuer, between it and the root",
    () => mint([issue('api-access', {}, ledgerAccess), ledgerAccess, root]),
  ],
  [
    'an issuer that says CA:false but keyCertSign',
    () =>
      mint(
        below(
          makeIntermediate(root, {
            ...validNow,
            extensions: [basicConstraints(false), keyUsage('keyCertSign')],
          }),
        ),
      ),
  ],
  [
    'an issuer that says CA:true but not keyCertSign',
    () =>
      mint(
        below(
          makeIntermediate(root, {
            ...validNow,
            extensions: [basicConstraints(true), keyUsage('digitalSignature')],
          }),
        ),
      ),
  ],
  [
    'an issuer without basicConstraints',
    () => mint(below(makeIntermediate(root, { ...validNow, extensions: [keyUsage('keyCertSign')] }))),
  ],
  [
    'an issuer whose names are constrained',
    () =>
      mint(
        below(
          makeIntermediate(root, {
            ...validNow,
            extensions: [basicConstraints(true), keyUsage('keyCertSign'), nameConstraints(false)],
          }),
        ),
      ),
  ],
  [
    'an issuer that has expired',
    () => mint(below(makeIntermediate(root, { notBeforeMs: 0, notAfterMs: 1_000 }))),
  ],
  [
    'more issuers than the path length allows',
    () => {
      const narrow = makeIntermediate(root, {
        ...validNow,
        extensions: [basicConstraints(true, 0), keyUsage('keyCertSign')],
      })
      const lower = makeIntermediate(narrow, { ...validNow, subject: 'Lower' })
      return mint([issue('api-access', {}, lower), lower, narrow])
    },
  ],
  ['four certificates', () => mint([good, root, root, root])],
  ['no certificate', () => mint([good], {}, { x5c: [] })],
  ['no x5c at all', () => mint([good], {}, { x5c: undefined })],
  ['its certificates the other way round', () => mint([good], {}, { x5c: [root.base64, good.base64] })],
  ['its certificate in base64url', () => mint([good], {}, { x5c: [good.der.toString('base64url')] })],
  [
    'a line break in its certificate',
    () => mint([good], {}, { x5c: [`${good.base64.slice(0, 64)}\n${good.base64.slice(64)}`] }),
  ],
  ['its certificate as PEM', () => mint([good], {}, { x5c: [good.pem] })],
  [
    'its certificate with octets behind it',
    () => mint([good], {}, { x5c: [Buffer.concat([good.der, Buffer.from([0, 0])]).toString('base64')] }),
  ],
  ['5 KB of certificates', () => mint([good], {}, { x5c: [good.base64, 'A'.repeat(5_000)] })],
  ['an expired certificate', () => mint([issue('api-access', { notBeforeMs: 0, notAfterMs: 1_000 })])],
  [
    'a certificate of tomorrow',
    () =>
      mint([issue('api-access', { notBeforeMs: Date.now() + hourMs, notAfterMs: Date.now() + 2 * hourMs })]),
  ],
  [
    'a certificate that may not sign',
    () => mint([issue('api-access', { extensions: leafExtensionsOf(keyUsage('keyEncipherment')) })]),
  ],
  [
    'a certificate without keyUsage',
    () =>
      mint([
        issue('api-access', {
          extensions: leafExtensionsWithout(uriOf('api-access'), extensionIds.keyUsage),
        }),
      ]),
  ],
  [
    'a certificate for code alone',
    () =>
      mint([issue('api-access', { extensions: leafExtensionsOf(extendedKeyUsage(usageIds.codeSigning)) })]),
  ],
  [
    'a certificate that is a CA',
    () => mint([issue('api-access', { extensions: leafExtensionsOf(basicConstraints(true)) })]),
  ],
  [
    'a certificate of two accounts',
    () =>
      mint([
        issue('api-access', {
          extensions: leafExtensionsOf(
            subjectAltName(uriName(uriOf('api-access')), uriName(uriOf('ledger-access'))),
          ),
        }),
      ]),
  ],
  [
    'a certificate without a name',
    () =>
      mint([
        issue('api-access', {
          extensions: leafExtensionsWithout(uriOf('api-access'), extensionIds.subjectAltName),
        }),
      ]),
  ],
  [
    'a certificate of another trust domain',
    () => mint([makeLeaf(root, 'spiffe://evil.example.com/api-access', validNow)]),
  ],
  [
    'a trust domain that begins with the right one',
    () => mint([makeLeaf(root, `spiffe://${meshIssuer}.evil/api-access`, validNow)]),
  ],
  ['a trust domain in upper case', () => mint([makeLeaf(root, uriOf('api-access').toUpperCase(), validNow)])],
  ['a path that climbs', () => mint([makeLeaf(root, uriOf('ledger-access/../api-access'), validNow)])],
  ['an escape in the name', () => mint([makeLeaf(root, uriOf('api%2daccess'), validNow)])],
  ['a slash behind the name', () => mint([makeLeaf(root, uriOf('api-access/'), validNow)])],
  ['a null byte behind the name', () => mint([makeLeaf(root, uriOf('api-access\0'), validNow)])],
  ['an account that the mesh file does not know', () => mint([issue('root')], { sub: 'root', user: 'root' })],
  ["another account's certificate under this sub", () => mint([ledgerAccess])],
  ['a kid in upper case', () => mint([good], {}, { kid: keyThumbprint(good.keys.publicKey).toUpperCase() })],
  [
    "the kid of another account's key",
    () => mint([good], {}, { kid: keyThumbprint(ledgerAccess.keys.publicKey) }),
  ],
  ['no kid', () => mint([good], {}, { kid: undefined })],
  [
    'the right certificate, but the signature of another key',
    () => {
      const other = makeEcKeys()
      const header = { alg: 'ES256', typ: 'JWT', kid: keyThumbprint(good.keys.publicKey), x5c: [good.base64] }
      return forge({ header, payload: mintedClaims('api-access'), key: other.privateKey })
    },
    'assertion_signature',
  ],
  [
    'alg none',
    () => forge({ header: { alg: 'none', x5c: [good.base64] }, payload: mintedClaims('api-access') }),
    'assertion_algorithm',
  ],
  [
    'HS256 with the public key as the secret',
    () => {
      const key = good.keys.publicKey.export({ type: 'spki', format: 'der' })
      const header = { alg: 'HS256', kid: keyThumbprint(good.keys.publicKey), x5c: [good.base64] }
      return forge({ header, payload: mintedClaims('api-access'), key })
    },
    'assertion_algorithm',
  ],
  ['an audience of another service', () => mint([good], { aud: hosts.Ledger }), 'assertion_audience'],
  ['a lifetime that is over', () => mint([good], { iat: 1_000, exp: 2_000 }), 'assertion_expired'],
  ['nobody as its account', () => mint([good], { sub: '', user: '' }), 'assertion_malformed'],
  ['no user', () => mint([good], { user: undefined }), 'assertion_malformed'],
]

test('no other certificate than its own makes anybody an account of the mesh', async (t) => {
  const mesh = await startOwnMesh(t)
  for (const [name, token, code = 'assertion_key_unknown'] of rows) {
    await t.test(`${name} is ${code}`, async (row) => {
      // Each from a sidecar of its own, for bad certificates are rate-limited by their sender.
      const { sidecars, apps } = code === 'assertion_key_unknown' ? await startOwnMesh(row) : mesh
      apps.API.received.length = 0
      const answer = await send({ port: sidecars.API.inbound, headers: [assertionName, token()] })
      assert.deepEqual([answer.status, answer.code], [401, code])
      assert.equal(apps.API.received.length, 0)
    })
  }
})

test('the right certificate does, also below an issuer of the root', async (t) => {
  const mesh = await startOwnMesh(t)
  assert.equal((await presentAtApi(mesh, mint([good]))).status, 200)
  assert.equal((await presentAtApi(mesh, mint(below(makeIntermediate(root, validNow))))).status, 200)
})

test("the certificate's end ends what was minted under it, though it was verified before", async (t) => {
  let offsetMs = 0
  const mesh = await startOwnMesh(t, { clockOffsetMs: () => offsetMs })
  const token = mint([good], { exp: Math.floor(Date.now() / 1000) + 10 * 3_600 })
  assert.equal((await presentAtApi(mesh, token)).status, 200)
  offsetMs = 2 * hourMs
  assert.equal((await presentAtApi(mesh, token)).code, 'assertion_key_unknown')
})
