// The attacker has no key of the issuer, and wants to be alice all the same: by a token that chooses how it is verified.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { rawValues } from '../support/app.ts'
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
    "the issuer's public key (PEM)",
    (mesh) => Buffer.from(mesh.pomerium.signingKey().publicKey.export({ type: 'spki', format: 'pem' })),
  ],
  [
    "the issuer's public key (DER)",
    (mesh) => mesh.pomerium.signingKey().publicKey.export({ type: 'spki', format: 'der' }),
  ],
  ["the issuer's public key (JWK)", (mesh) => Buffer.from(JSON.stringify(mesh.pomerium.signingKey().jwk))],
  ["x of the issuer's JWK", (mesh) => Buffer.from(String(mesh.pomerium.signingKey().jwk.x), 'base64url')],
]
const guesses: typeof publicForms = [
  ['no octet', () => Buffer.alloc(0)],
  ['a blank', () => Buffer.from(' ')],
  ['a null byte', () => Buffer.alloc(1)],
  ['32 null bytes', () => Buffer.alloc(32)],
  ...['secret', 'password', 'null', 'undefined', 'pomerium', hosts.App].map(
    (word): (typeof publicForms)[number] => [JSON.stringify(word), () => Buffer.from(word)],
  ),
  ['the kid', (mesh) => Buffer.from(mesh.pomerium.signingKey().kid)],
  ['the octets of the kid', (mesh) => Buffer.from(mesh.pomerium.signingKey().kid, 'hex')],
  ['the iss', (mesh) => Buffer.from(String(claimsOf(mesh)['iss']))],
  ['the URL of the keys', (mesh) => Buffer.from(mesh.pomerium.jwksUrl)],
]
const hashes = ['HS256', 'HS384', 'HS512']
const shared: Forgery[] = [...publicForms, ...guesses].flatMap(([form, secret]) =>
  hashes.map((alg) => ({
    name: `${alg} with ${form} as the secret`,
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

/** Letters that look alike, or are not seen: of Cyrillic, of full width, of no width, and others that a host's name maps to. */
const hostLookAlikes = [
  hosts.App.replace('a', '\u0430'),
  hosts.App.replace('o', '\u043e'),
  hosts.App.replace('a', '\uff41'),
  hosts.App.replaceAll('.', '\u3002'),
  hosts.App.replace('i', '\u0131'),
  hosts.App.replace('l', '\u2113'),
  `${hosts.App}\u200b`,
  `\ufeff${hosts.App}`,
  hosts.App.replace('p', 'p\u00ad'),
  hosts.App.replace('a', 'a\u0301'),
]
const escaped = (text: string) =>
  JSON.stringify(text).replace(
    /[^ -~]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
const lookAlikes: Forgery[] = [
  ...hostLookAlikes.flatMap((host) => [
    {
      name: `iss ${escaped(host)}, by the real key`,
      code: 'assertion_issuer',
      make: (mesh: TestMesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iss: host }),
    },
    {
      name: `iss and aud ${escaped(host)}, by the real key`,
      code: 'assertion_audience',
      make: (mesh: TestMesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iss: host, aud: host }),
    },
  ]),
  ...[
    '\uff25\uff33\uff12\uff15\uff16',
    '\u0415S256',
    'ES256\u200b',
    'E\u017f256',
    'n\u043ene',
    '\uff4e\uff4f\uff4e\uff45',
  ].map((alg) => ({
    name: `alg ${escaped(alg)}`,
    code: 'assertion_algorithm',
    make: (mesh: TestMesh) => headerOf(mesh, { alg }),
  })),
  ...['\uff41\uff4c\uff47', '\u0430lg', 'alg\u200b', 'ALG'].map((member) => ({
    name: `the algorithm as ${escaped(member)} alone`,
    code: 'assertion_malformed',
    make: (mesh: TestMesh) => headerOf(mesh, { alg: undefined, [member]: 'ES256' }),
  })),
  ...['\uff4b\uff49\uff44', 'k\u0456d', 'kid\u200b'].map((member) => ({
    name: `the kid of its own key as ${escaped(member)} beside the issuer's`,
    code: 'assertion_signature',
    make: (mesh: TestMesh) => signedByMe(mesh, { ...real(mesh), [member]: mine.kid }),
  })),
  ...[(kid: string) => `${kid}\u200b`, fullWidth, (kid: string) => `\ufeff${kid}`].map((change) => ({
    name: `the kid of the issuer like ${escaped(change('0a'))}`,
    code: 'assertion_key_unknown',
    make: (mesh: TestMesh) => signedByMe(mesh, { kid: change(real(mesh).kid) }),
  })),
]

function fullWidth(text: string): string {
  return text.replace(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0))
}

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
    ...lookAlikes,
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

test('nor one whose secret is what all know of a key for RS256', async (t) => {
  const mesh = await startMesh(t, { run: [] })
  const rsa = await generateSigningKey('RS256')
  mesh.pomerium.serveJwks({ keys: [rsa.jwk] })
  const late = await startMesh(t, { run: ['App'], issuer: { jwks: mesh.pomerium.jwksUrl } })
  const signed = (alg: string, key: typeof rsa.privateKey | Buffer) =>
    late.pomerium.sign(claimsOf(late), { header: { alg, kid: rsa.kid }, key })
  assert.equal((await present(late, await signed('RS256', rsa.privateKey))).status, 200)
  const secrets = [
    rsa.publicKey.export({ type: 'spki', format: 'pem' }),
    rsa.publicKey.export({ type: 'spki', format: 'pem' }).trim(),
    rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }),
    rsa.publicKey.export({ type: 'spki', format: 'der' }),
    rsa.publicKey.export({ type: 'pkcs1', format: 'der' }),
    JSON.stringify(rsa.jwk),
    String(rsa.jwk.n),
    Buffer.from(String(rsa.jwk.n), 'base64url'),
  ].map((secret) => Buffer.from(secret))
  for (const [i, secret] of secrets.entries()) {
    for (const alg of hashes) {
      const answer = await present(late, await signed(alg, secret))
      assert.equal(answer.code, 'assertion_algorithm', `${alg} with secret ${i}`)
    }
  }
})

const others = [
  'Alice-id',
  '\u0430lice-id',
  '\uff41lice-id',
  'alice\u2010id',
  'alice-id\u200b',
  '\ufeffalice-id',
  'alice-\u00adid',
  'al\u0131ce-id',
  'alice-id\u00a0',
  'a\u0301lice-id',
  '\u00e1lice-id',
  'alice-id\u0000',
  ' alice-id',
  'alice-id ',
  'alice-id\t',
]

const namedLike = (mesh: TestMesh, name: string) =>
  mesh.pomerium.sign({ ...claimsOf(mesh), sub: name, user: name, email: name })
const namedIn = {
  'x-pomerium-authenticated-user-id': 'sub',
  'x-pomerium-authenticated-user-email': 'email',
  'x-user': 'user',
}

test('whose name looks like that of alice is somebody else, to the policy and to the app', async (t) => {
  const anyone = [{ allow: { or: [{ accept: true }] } }]
  const alice = [{ allow: { or: [{ user: { is: 'alice-id' } }] } }]
  const settings = { jwt_claims_headers: namedIn }
  const open = await startMesh(t, { run: ['App'], settings, routes: { App: { policy: anyone } } })
  const closed = await startMesh(t, { run: ['App'], routes: { App: { policy: alice } } })
  assert.equal((await present(closed, await namedLike(closed, 'alice-id'))).status, 200)
  for (const name of others) {
    await t.test(escaped(name), async () => {
      open.apps.App.received.length = 0
      assert.equal((await present(closed, await namedLike(closed, name))).code, 'policy_denied')
      assert.equal((await present(open, await namedLike(open, name))).status, 200)
      const [received] = open.apps.App.received
      const told = Object.keys(namedIn).flatMap((header) => rawValues(received, header))
      assert.equal(told.length, 3)
      assert.equal(told.includes('alice-id'), false)
    })
  }
})

test('a name that is composed of other characters is another, though it is drawn as the same', async (t) => {
  const policy = [{ allow: { or: [{ user: { is: 'andr\u00e9-id' } }] } }]
  const mesh = await startMesh(t, { run: ['App'], routes: { App: { policy } } })
  assert.equal((await present(mesh, await namedLike(mesh, 'andr\u00e9-id'))).status, 200)
  for (const name of ['andre\u0301-id', 'andr\u0435\u0301-id', 'andre-id'])
    assert.equal((await present(mesh, await namedLike(mesh, name))).code, 'policy_denied', escaped(name))
})
