// The attacker wants a token that the sidecar reads in one way and the app, or a cache, in another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { assertionName, compact, present, speak, verdict } from './attack.ts'

const claimsOf = (mesh: TestMesh) => mesh.pomerium.claims('alice', hosts.App)
const genuine = (mesh: TestMesh) => mesh.pomerium.assertion('alice', hosts.App)
const kidOf = (mesh: TestMesh) => mesh.pomerium.signingKey().kid

/** All of these are signed by the issuer's own key: it is their form that is wrong. */
const signed = (mesh: TestMesh, header: string | Buffer, payload: string | Buffer) =>
  compact(header, payload, mesh.pomerium.signingKey().privateKey)
const headerOf = (mesh: TestMesh, more = '') => `{"alg":"ES256","kid":"${kidOf(mesh)}"${more}}`
const payloadOf = (mesh: TestMesh, more = '') => `${JSON.stringify(claimsOf(mesh)).slice(0, -1)}${more}}`

type Make = (mesh: TestMesh) => string | Promise<string>
type Row = readonly [name: string, make: Make, code?: string]

const inPayload = (name: string, more: string): Row => [
  name,
  (mesh) => signed(mesh, headerOf(mesh), payloadOf(mesh, more)),
]
const inHeader = (name: string, more: string): Row => [
  name,
  (mesh) => signed(mesh, headerOf(mesh, more), payloadOf(mesh)),
]
const withClaim = (claim: string, json: string): Row => [
  `${claim} is ${json.slice(0, 40)}`,
  (mesh) => {
    const { [claim]: _left, ...others } = claimsOf(mesh)
    const text = JSON.stringify(others).slice(0, -1)
    return signed(mesh, headerOf(mesh), json === '' ? `${text}}` : `${text},"${claim}":${json}}`)
  },
]

const twice: Row[] = [
  inPayload('sub twice', ',"sub":"bob-id"'),
  inPayload('sub twice, once by an escape', ',"s\\u0075b":"bob-id"'),
  inPayload('aud twice', `,"aud":"${hosts.API}"`),
  inPayload('groups twice, once by an escape', ',"\\u0067roups":["admins"]'),
  inPayload('a member of an object in an object twice', ',"more":[{"a":{"b":1,"b":2}}]'),
  inPayload('__proto__ twice', ',"__proto__":{},"__proto__":{}'),
  inPayload('a name in braces twice', ',"{\\"a\\":1}":1,"{\\"a\\":1}":2'),
  inPayload('a name of a backslash twice', ',"\\\\":1,"\\u005c":2'),
  inHeader('alg twice', ',"alg":"none"'),
  inHeader('alg twice, once by an escape', ',"\\u0061lg":"none"'),
  inHeader('kid twice', ',"kid":"another"'),
  inHeader('typ twice', ',"typ":"JWT","typ":"JWT"'),
]

const extensions: Row[] = [
  inHeader('crit with nothing', ',"crit":[]'),
  inHeader('crit with exp', ',"crit":["exp"]'),
  inHeader('crit with b64', ',"crit":["b64"],"b64":false'),
  inHeader('crit that is null', ',"crit":null'),
  inHeader('crit by an escape', ',"cr\\u0069t":["x"]'),
  inHeader('x5c that is a text', ',"x5c":"MII"'),
]

const parts: Row[] = [
  ['one part', async (mesh) => (await genuine(mesh)).split('.')[1] ?? ''],
  ['two parts', async (mesh) => (await genuine(mesh)).split('.').slice(0, 2).join('.')],
  ['four parts', async (mesh) => `${await genuine(mesh)}.`],
  ['a JWE of five parts', async (mesh) => `${await genuine(mesh)}.e30.e30`],
  ['dots alone', () => '..'],
  ['no header', async (mesh) => (await genuine(mesh)).replace(/^[^.]+/, '')],
  ['a detached payload', async (mesh) => (await genuine(mesh)).replace(/\.[^.]+\./, '..')],
  ['a token in a token', async (mesh) => signed(mesh, headerOf(mesh, ',"cty":"JWT"'), await genuine(mesh))],
  ['a token in quotes in a token', async (mesh) => signed(mesh, headerOf(mesh), `"${await genuine(mesh)}"`)],
  [
    'the JSON serialisation',
    async (mesh) => {
      const [header, payload, signature] = (await genuine(mesh)).split('.')
      return JSON.stringify({ protected: header, payload, signature })
    },
  ],
  ['Bearer before it', async (mesh) => `Bearer ${await genuine(mesh)}`],
  ['quotes around it', async (mesh) => `"${await genuine(mesh)}"`],
  ['two tokens with a comma', async (mesh) => `${await genuine(mesh)}, ${await genuine(mesh)}`],
  ['two tokens with a comma and no blank', async (mesh) => `${await genuine(mesh)},${await genuine(mesh)}`],
]

const encodings: Row[] = [
  ['padding behind the header', async (mesh) => (await genuine(mesh)).replace('.', '=.')],
  ['padding behind the signature', async (mesh) => `${await genuine(mesh)}=`],
  ['two paddings behind the signature', async (mesh) => `${await genuine(mesh)}==`],
  ['an escaped dot', async (mesh) => (await genuine(mesh)).replace('.', '%2e')],
  ['a blank in it', async (mesh) => (await genuine(mesh)).replace('.', '. ')],
  ['a tabulator in it', async (mesh) => (await genuine(mesh)).replace('.', '.\t')],
  ['a foreign character in the signature', async (mesh) => `${await genuine(mesh)}!`],
  [
    'standard base64 instead of base64url',
    async (mesh) => {
      const token = signed(mesh, headerOf(mesh), payloadOf(mesh, ',"more":"???>>>~~~"'))
      assert.match(token, /[-_]/)
      return token.replaceAll('-', '+').replaceAll('_', '/')
    },
  ],
  [
    'other bits at the end of the signature, which decode to the same octets',
    async (mesh) => {
      const token = await genuine(mesh)
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const last = alphabet.indexOf(token.at(-1) ?? '')
      return `${token.slice(0, -1)}${alphabet[last + 1]}`
    },
  ],
  [
    'a payload that is not UTF-8',
    (mesh) =>
      signed(
        mesh,
        headerOf(mesh),
        Buffer.concat([Buffer.from(payloadOf(mesh).slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')]),
      ),
  ],
  ['a byte order mark', (mesh) => signed(mesh, headerOf(mesh), `\ufeff${payloadOf(mesh)}`)],
  ['a payload that is a list', (mesh) => signed(mesh, headerOf(mesh), `[${payloadOf(mesh)}]`)],
  ['a payload that is null', (mesh) => signed(mesh, headerOf(mesh), 'null')],
  ['something behind the payload', (mesh) => signed(mesh, headerOf(mesh), `${payloadOf(mesh)} {}`)],
  ['a comment in the payload', (mesh) => signed(mesh, headerOf(mesh), `/**/${payloadOf(mesh)}`)],
  [
    '10,000 lists in each other',
    (mesh) =>
      signed(mesh, headerOf(mesh), payloadOf(mesh, `,"x":${'['.repeat(10_000)}${']'.repeat(10_000)}`)),
  ],
]

const claims: Row[] = [
  ...['', 'null', '7', '{}', `["${hosts.App}"]`, `["${hosts.App}","${hosts.API}"]`, '[]'].map((json) =>
    withClaim('aud', json),
  ),
  ...['', 'null', '7', '{}', '["alice-id"]', 'true'].map((json) => withClaim('sub', json)),
  ...['', 'null', '7', '["x"]'].map((json) => withClaim('iss', json)),
  ...[
    '',
    'null',
    '-1',
    '-1e300',
    '1.5',
    '1e400',
    '1e21',
    '"9999999999"',
    '[9999999999]',
    'true',
    '9007199254740993',
  ].flatMap((json) => [withClaim('exp', json), withClaim('iat', json)]),
  ...['null', '-1', '1.5', '"0"', 'false'].map((json) => withClaim('nbf', json)),
  ...['7', '{}', '["alice@companydomain.com"]', 'null'].map((json) => withClaim('email', json)),
  ...['"admins"', '{}', '[7]', '[["admins"]]', 'null'].map((json) => withClaim('groups', json)),
  ...['7', '["alice-id"]'].map((json) => withClaim('user', json)),
  ...['7', '[]'].flatMap((json) => [withClaim('jti', json), withClaim('sid', json)]),
]

const otherAudiences: Row[] = [
  hosts.App.toUpperCase(),
  `${hosts.App}.`,
  `${hosts.App}:443`,
  ` ${hosts.App}`,
  `${hosts.App},${hosts.API}`,
  `${hosts.App}\u0000`,
  `*.${hosts.App}`,
  '*',
  '127.0.0.1',
].map((aud) => [
  `aud and iss ${JSON.stringify(aud)}`,
  (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), aud, iss: aud }),
  'assertion_audience',
])

const times: Row[] = [
  ['exp 0', (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), exp: 0 }), 'assertion_expired'],
  [
    'iat in the far future',
    (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), iat: Date.UTC(9999, 0) / 1000 }),
    'assertion_not_yet_valid',
  ],
  [
    'nbf in the far future',
    (mesh) => mesh.pomerium.sign({ ...claimsOf(mesh), nbf: Date.UTC(9999, 0) / 1000 }),
    'assertion_not_yet_valid',
  ],
]

test('a token of any other form than the one is refused, though the issuer signed it', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const [name, make, code = 'assertion_malformed'] of [
    ...twice,
    ...extensions,
    ...parts,
    ...encodings,
    ...claims,
    ...otherAudiences,
    ...times,
  ]) {
    await t.test(`${name} is ${code}`, async () => {
      mesh.apps.App.received.length = 0
      const answer = await present(mesh, await make(mesh))
      assert.deepEqual([answer.status, answer.code], [401, code])
      assert.equal(mesh.apps.App.received.length, 0)
    })
  }
})

test('b64: false without crit changes nothing about how the payload is read', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const plain = payloadOf(mesh)
  const header = Buffer.from(headerOf(mesh, ',"b64":false')).toString('base64url')
  assert.equal((await present(mesh, `${header}.${plain}.AAAA`)).code, 'assertion_malformed')
})

test('a token between blanks that are none to HTTP is malformed', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const head = `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${assertionName}: \xa0${await genuine(mesh)}\xa0`
  assert.equal(verdict(await speak(mesh.sidecars.App.inbound, `${head}\r\n\r\n`)), 'assertion_malformed')
})

test('an empty assertion is none, and two of which one is empty are ambiguous', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const port = mesh.sidecars.App.inbound
  const token = await genuine(mesh)
  assert.equal((await send({ port, headers: [assertionName, ''] })).code, 'assertion_missing')
  const both = [assertionName, '', assertionName, token]
  assert.equal((await send({ port, headers: both })).code, 'request_ambiguous')
})

test('a token of 64 KB is refused before it is read, by the size of the headers', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = signed(mesh, headerOf(mesh), payloadOf(mesh, `,"more":"${'x'.repeat(48 * 1024)}"`))
  const head = `GET / HTTP/1.1\r\nHost: a\r\n${assertionName}: ${token}\r\n\r\n`
  assert.equal(verdict(await speak(mesh.sidecars.App.inbound, head)), 'headers_too_large')
})

test('where headers may be so large, a token of 64 KB is judged like any other', async (t) => {
  // The app takes no such headers, so it is told nothing.
  const routes = { App: { pass_identity_headers: false } }
  const settings = { limits: { header_bytes: '256KiB' } }
  const mesh = await startMesh(t, { run: ['App'], routes, settings })
  const large = payloadOf(mesh, `,"more":"${'x'.repeat(48 * 1024)}"`)
  assert.equal((await present(mesh, signed(mesh, headerOf(mesh), large))).status, 200)
  const deep = payloadOf(mesh, `,"more":${'[{"a":'.repeat(6_000)}1${'}]'.repeat(6_000)}`)
  assert.equal((await present(mesh, signed(mesh, headerOf(mesh), deep))).code, 'assertion_malformed')
})
