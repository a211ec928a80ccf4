// The attacker has no key of the issuer, and wants to be alice all the same: by a token that chooses how it is verified.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { hosts, meshIssuer, startMesh, x5cOf, type TestMesh } from '../support/mesh.ts'
import { mintByHand, present } from './attack.ts'

type Header = Readonly<Record<string, unknown>>

const mine = await generateSigningKey('ES256')
const claimsOf = (mesh: TestMesh) => mesh.pomerium.claims('alice', hosts.App)
const genuine = (mesh: TestMesh) => mesh.pomerium.assertion('alice', hosts.App)

/** Signed by the attacker's own key. */
const signedByMe = (mesh: TestMesh, header: Header = {}) =>
  mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'ES256', ...header }, key: mine.privateKey })

const withSignature = (token: string, signature: Uint8Array) =>
  `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.from(signature).toString('base64url')}`

async function headerOf(mesh: TestMesh, change: Header): Promise<string> {
  const [, payload, signature] = (await genuine(mesh)).split('.')
  const header = { alg: 'ES256', kid: mesh.pomerium.signingKey().kid, typ: 'JWT', ...change }
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`
}

interface Forgery {
  readonly name: string
  readonly code: string
  readonly make: (mesh: TestMesh) => string | Promise<string>
}

const nones: Forgery[] = ['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg) => [
  {
    name: `alg ${JSON.stringify(alg)}, no signature`,
    code: 'assertion_algorithm',
    make: async (mesh) => withSignature(await headerOf(mesh, { alg }), Buffer.alloc(0)),
  },
  {
    name: `alg ${JSON.stringify(alg)}, with the signature of another token`,
    code: 'assertion_algorithm',
    make: (mesh) => headerOf(mesh, { alg }),
  },
])

const algorithms: Forgery[] = [
  ...[undefined, null, 256, ['ES256'], { name: 'ES256' }].map((alg) => ({
    name: `alg ${JSON.stringify(alg)}`,
    code: 'assertion_malformed',
    make: (mesh: TestMesh) => headerOf(mesh, { alg }),
  })),
  ...['es256', 'ES256 ', 'ES256K', 'RS1', 'dir', 'A128KW', 'ES384', 'PS256', 'EdDSA'].map((alg) => ({
    name: `alg ${JSON.stringify(alg)} over a key for ES256`,
    code: 'assertion_algorithm',
    make: (mesh: TestMesh) => headerOf(mesh, { alg }),
  })),
  {
    name: 'alg RS256, which the issuer lists, over its key for ES256',
    code: 'assertion_key_unknown',
    make: (mesh) => headerOf(mesh, { alg: 'RS256' }),
  },
]

const publicForms: [name: string, secret: (mesh: TestMesh) => Buffer][] = [
  [
    'PEM',
    (mesh) => Buffer.from(mesh.pomerium.signingKey().publicKey.export({ type: 'spki', format: 'pem' })),
  ],
  ['DER', (mesh) => mesh.pomerium.signingKey().publicKey.export({ type: 'spki', format: 'der' })],
  ['JWK', (mesh) => Buffer.from(JSON.stringify(mesh.pomerium.signingKey().jwk))],
  ['x of the JWK', (mesh) => Buffer.from(String(mesh.pomerium.signingKey().jwk.x), 'base64url')],
]
const shared: Forgery[] = publicForms.flatMap(([form, secret]) =>
  ['HS256', 'HS384', 'HS512'].map((alg) => ({
    name: `${alg} with the issuer's public key (${form}) as the secret`,
    code: 'assertion_algorithm',
    make: (mesh: TestMesh) =>
      mesh.pomerium.sign(claimsOf(mesh), { header: { ...real(mesh), alg }, key: secret(mesh) }),
  })),
)

const real = (mesh: TestMesh) => ({ kid: mesh.pomerium.signingKey().kid, typ: 'JWT' })

const embedded: Forgery[] = [
  {
    name: 'its own key as jwk, under the kid of the issuer',
    code: 'assertion_signature',
    make: (mesh) => signedByMe(mesh, { ...real(mesh), jwk: mine.jwk }),
  },
  {
    name: 'its own key as jwk, under its own kid',
    code: 'assertion_key_unknown',
    make: (mesh) => signedByMe(mesh, { kid: mine.kid, jwk: mine.jwk }),
  },
  {
    name: 'its own key as jwk, under no kid',
    code: 'assertion_key_unknown',
    make: (mesh) => signedByMe(mesh, { kid: undefined, jwk: mine.jwk }),
  },
  {
    name: 'x5c of a real account of the mesh, under the kid of the issuer',
    code: 'assertion_signature',
    make: async (mesh) =>
      mesh.pomerium.sign(claimsOf(mesh), {
        header: { alg: 'ES256', ...real(mesh), x5c: x5cOf(await mesh.certified('api-access')) },
        key: mine.privateKey,
      }),
  },
  {
    name: "a real account's signature and x5c on what says to be the user issuer's",
    code: 'assertion_key_unknown',
    make: (mesh) => mintByHand(mesh, 'api-access', claimsOf(mesh)),
  },
  {
    name: 'the iss of the mesh on what the user issuer signed',
    code: 'assertion_key_unknown',
    make: (mesh) =>
      mesh.pomerium.sign({
        ...claimsOf(mesh),
        iss: meshIssuer,
        user: 'alice-id',
        email: '',
        groups: [],
        name: '',
      }),
  },
]

const kids: Forgery[] = [
  '../../../dev/null',
  '/dev/null',
  'file:///dev/null',
  "' UNION SELECT 'key",
  '; sleep 5',
  '__proto__',
  'constructor',
  'toString',
  '',
  '0',
  'pomerium/hpke',
  'x'.repeat(10_240),
].map((kid) => ({
  name: `kid ${JSON.stringify(kid.slice(0, 30))}`,
  code: 'assertion_key_unknown',
  make: (mesh) => signedByMe(mesh, { kid }),
}))

const nearKids: [name: string, change: (kid: string) => unknown, code: string][] = [
  ['in upper case', (kid) => kid.toUpperCase(), 'assertion_key_unknown'],
  ['with a null byte behind it', (kid) => `${kid}\0`, 'assertion_key_unknown'],
  ['with a blank before it', (kid) => ` ${kid}`, 'assertion_key_unknown'],
  ['in a list', (kid) => [kid], 'assertion_malformed'],
  ['in an object', (kid) => ({ kid }), 'assertion_malformed'],
]
kids.push(
  ...nearKids.map(([name, change, code]) => ({
    name: `the kid of the issuer ${name}`,
    code,
    make: async (mesh: TestMesh) =>
      mesh.pomerium.sign(claimsOf(mesh), {
        header: { alg: 'ES256', kid: change(mesh.pomerium.signingKey().kid) },
      }),
  })),
)

const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
const one = Buffer.alloc(32, 0).fill(1, 31)
const signatures: Forgery[] = (
  [
    ['of zeros (CVE-2022-21449)', Buffer.alloc(64)],
    ['r = 0, s = 1', Buffer.concat([Buffer.alloc(32), one])],
    ['r = 1, s = 0', Buffer.concat([one, Buffer.alloc(32)])],
    ['r = s = 1', Buffer.concat([one, one])],
    ['r = s = the order of the curve', Buffer.concat([order, order])],
    ['of 0 octets', Buffer.alloc(0)],
    ['of 63 octets', Buffer.alloc(63, 1)],
    ['of 65 octets', Buffer.alloc(65, 1)],
    ['of 20 KB', Buffer.alloc(20_000, 1)],
    ['of zeros, in DER', Buffer.from('3006020100020100', 'hex')],
  ] as const
).map(([name, signature]) => ({
  name: `a signature ${name}`,
  code: 'assertion_signature',
  make: async (mesh) => withSignature(await genuine(mesh), signature),
}))

function derInteger(bytes: Buffer): Buffer {
  const number = (bytes[0] as number) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
  return Buffer.concat([Buffer.from([2, number.length]), number])
}

const spliced: Forgery[] = [
  {
    name: "bob's claims under the signature of alice's token",
    code: 'assertion_signature',
    make: async (mesh) => {
      const [header, , signature] = (await genuine(mesh)).split('.')
      const [, payload] = (await mesh.pomerium.assertion('bob', hosts.App)).split('.')
      return `${header}.${payload}.${signature}`
    },
  },
  {
    name: 'the signature in the DER form that other libraries make',
    code: 'assertion_signature',
    make: async (mesh) => {
      const token = await genuine(mesh)
      const raw = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
      const both = Buffer.concat([derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32))])
      return withSignature(token, Buffer.concat([Buffer.from([0x30, both.length]), both]))
    },
  },
]

const types: Forgery[] = ['onbehalf-link+jwt', 'at+jwt', 'secevent+jwt', 'JOSE', 7, null].map((typ) => ({
  name: `typ ${JSON.stringify(typ)}, by the real key`,
  code: 'assertion_malformed',
  make: (mesh) => mesh.pomerium.sign(claimsOf(mesh), { header: { alg: 'ES256', kid: real(mesh).kid, typ } }),
}))

const issuers: Forgery[] = [
  '',
  hosts.App.toUpperCase(),
  `${hosts.App}.`,
  ` ${hosts.App}`,
  `https://${hosts.App}/`,
  `http://${hosts.App}`,
  hosts.API,
  'pomerium-proxy',
  'null',
].map((iss) => ({
  name: `iss ${JSON.stringify(iss)}, by the real key`,
  code: 'assertion_issuer',
  make: (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iss }),
}))

test('no token that the issuer did not sign as one of its assertions makes anybody alice', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const all = [
    ...nones,
    ...algorithms,
    ...shared,
    ...embedded,
    ...kids,
    ...signatures,
    ...spliced,
    ...types,
    ...issuers,
  ]
  for (const { name, code, make } of all) {
    await t.test(`${name} is ${code}`, async () => {
      mesh.apps.App.received.length = 0
      const answer = await present(mesh, await make(mesh))
      assert.deepEqual([answer.status, answer.code], [401, code])
      assert.equal(mesh.apps.App.received.length, 0)
    })
  }
})
