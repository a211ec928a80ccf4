// `onbehalf token inspect`: what it shows of any text that is given for a token, and that it vouches for none of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forge } from '../../deploy/demo/forge.ts'
import { clockMs, makeMesh } from '../support/certificates.ts'
import { mint, mintedClaims, nowS, pomerium, userClaims, userToken } from '../support/tokens.ts'
import { runToken, secretParts } from './token-run.ts'

const at = new Date(clockMs).toISOString()
const inspect = (token: string, ...args: string[]) => runToken(['inspect', token, '--at', at, ...args])
const inspectJson = async (token: string) => {
  const { status, stdout } = await inspect(token, '-o', 'json')
  return { ...(JSON.parse(stdout) as Record<string, unknown>), status } as Record<string, unknown>
}

const encode = (text: string | Uint8Array) => Buffer.from(text).toString('base64url')
const header = encode('{"alg":"ES256","typ":"JWT"}')
const withPayload = (payload: string) => `${header}.${encode(payload)}.AAAA`

test('header and claims are shown, and that nothing was verified', async () => {
  const token = userToken()
  const { status, stdout, stderr } = await inspect(token)
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /^NOTHING here was verified/)
  for (const part of [/^ {2}alg +"ES256"$/m, /^ {2}sub +"alice"$/m, /^ {2}groups +\["staff"\]$/m]) {
    assert.match(stdout, part)
  }
  assert.match(stdout, /^signature of 64 bytes, not looked at$/m)
  for (const part of secretParts(token)) assert.ok(!stdout.includes(part))
})

test('times are said as seen from now', async () => {
  const times = { iat: nowS - 20, nbf: nowS + 70, exp: nowS - 180 }
  const { stdout } = await inspect(userToken(times))
  assert.match(stdout, /^ {2}iat +\d+ {2}2026-01-15T11:59:40Z {2}issued 20 s ago$/m)
  assert.match(stdout, /^ {2}nbf +\d+ {2}2026-01-15T12:01:10Z {2}valid from 70 s in the future$/m)
  assert.match(stdout, /^ {2}exp +\d+ {2}2026-01-15T11:57:00Z {2}expired 3 min ago$/m)
})

test('a token from the future is noted', async () => {
  const { stdout } = await inspect(userToken({ iat: nowS + 95, exp: nowS + 300 }))
  assert.match(stdout, /issued 95 s in the future$/m)
  assert.match(stdout, /it comes from the future: compare the clock/)
})

test('a time that no calendar has is shown as a number', async () => {
  const { status, stdout } = await inspect(userToken({ exp: Number.MAX_SAFE_INTEGER }))
  assert.equal(status, 0)
  assert.match(stdout, /exp +9007199254740991 {2}beyond any calendar/)
})

test("an account's certificate is shown by its SPIFFE id and validity, and not as base64", async () => {
  const mesh = makeMesh('mesh.example.com', ['api-access'])
  const certificate = mesh.issue('api-access')
  const token = mint(certificate, mintedClaims('api-access'))
  const { stdout } = await inspect(token)
  assert.match(
    stdout,
    /x5c +"1 certificate"\n +account +spiffe:\/\/mesh\.example\.com\/api-access\n +valid 2026-/,
  )
  assert.ok(!stdout.includes(certificate.base64))
  const json = await inspectJson(token)
  const [only] = json['certificates'] as Record<string, string>[]
  assert.equal(only?.['spiffe_id'], 'spiffe://mesh.example.com/api-access')
  assert.match(only?.['words'] ?? '', /^expires in /)
})

test('an x5c that holds no certificate is said to', async () => {
  const { status, stdout } = await inspect(pomerium.sign(userClaims(), { x5c: ['AAAA'] }))
  assert.equal(status, 0)
  assert.match(stdout, /no SPIFFE id\n +cannot be read: /)
})

test("a Pomerium service account's own token is explained", async () => {
  const claims = { jti: 'account-1', sub: 'alice', iat: nowS }
  const { status, stdout } = await inspect(
    forge({ header: { alg: 'HS256' }, payload: claims, key: Buffer.from('k') }),
  )
  assert.equal(status, 0)
  assert.match(stdout, /no sidecar accepts it, whoever signed it: iss is missing \(assertion_malformed\)/)
  assert.match(
    stdout,
    /Pomerium service account's own token .*send it to Pomerium, in X-Pomerium-Authorization/,
  )
})

test('signatures that no sidecar accepts are noted', async () => {
  for (const alg of ['none', 'HS512']) {
    const { stdout } = await inspect(forge({ header: { alg }, payload: userClaims(), key: Buffer.from('k') }))
    assert.ok(stdout.includes(`no sidecar accepts alg "${alg}"`), stdout)
  }
})

test('-o json prints JSON alone: nothing verified, header, claims, times, certificates, notes', async () => {
  const claims = userClaims()
  const json = await inspectJson(pomerium.sign(claims))
  assert.deepEqual(Object.keys(json).sort(), [
    'certificates',
    'claims',
    'header',
    'notes',
    'signature_bytes',
    'status',
    'times',
    'verified',
  ])
  assert.deepEqual([json['verified'], json['status'], json['claims']], [false, 0, claims])
  assert.deepEqual((json['times'] as Record<string, unknown>)['exp'], {
    at: '2026-01-15T12:05:00Z',
    words: 'expires in 5 min',
  })
})

const faults: readonly (readonly [token: string, words: RegExp])[] = [
  ['abc', /it has one part \(a session cookie, an opaque access token or a handle is no JWT\)/],
  ['a.b', /it has 2 parts; a JWT has three/],
  ['a.b.c.d.e', /five parts: it is encrypted \(JWE\)/],
  [`.${header}.AAAA`, /the header \(first part\) is empty/],
  [`${header}.e30=.AAAA`, /the payload \(second part\) is padded with "=" \(character 4 of 4\)/],
  [`${header}.e3+0.AAAA`, /the payload \(second part\) is in base64 and not in base64url/],
  [`${header}.e3\n0.AAAA`, /the payload \(second part\) has a blank or the end of a line in it/],
  [`${header}%2Ee30.e30.AAAA`, /the header \(first part\) is percent-encoded/],
  [
    `"${header}.e30.AAAA"`,
    /the header \(first part\) has a character that is not of base64url \(character 1 of/,
  ],
  [`${header}.e30.AAAAA`, /the signature \(third part\) is cut off, or has a character too many/],
  [`${header}.e30.AB`, /the signature \(third part\) has stray bits in its last character/],
  [
    withPayload('{"x":{"iss":1},"iss":"i","sub":"a","sub":"b"}'),
    /the payload \(second part\) has the member "sub" twice/,
  ],
  [withPayload('{"a":[{"b\\u0061":1,"ba":2}]}'), /has the member "ba" twice/],
  [withPayload('["a"]'), /the payload is not a JSON object/],
  [withPayload('{"a":'), /the payload is not JSON/],
  [`${header}.${encode(Uint8Array.of(0x7b, 0xff, 0x7d))}.AAAA`, /the payload is not UTF-8/],
  [`${encode('{"alg":"ES256","crit":["b64"]}')}.e30.AAAA`, /the header has crit/],
  [`${encode('{"alg":"ES256","typ":"at+jwt"}')}.e30.AAAA`, /typ is not JWT/],
  [`${encode('{"alg":256}')}.e30.AAAA`, /alg is not a string/],
]

for (const [token, words] of faults) {
  test(`what cannot be decoded is said exactly, with status 1: ${words.source}`, async () => {
    const { status, stdout } = await inspect(token)
    assert.equal(status, 1)
    assert.match(stdout, words)
    const json = await inspectJson(token)
    assert.match(String(json['fault']), words)
  })
}

test('JSON that nests without end is not followed', async () => {
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const { status, stdout } = await inspect(withPayload(deep))
  assert.equal(status, 1)
  assert.match(stdout, /its JSON is nested too deeply/)
  assert.match(stdout, /claims\n {2}cannot be read/)
})

test('what can be read of a faulty token is shown all the same', async () => {
  const { stdout } = await inspect(`${header}.${encode('{"sub":"alice"}')}=.AAAA`)
  assert.match(stdout, /sub +"alice"/)
})

test('no claim can move the cursor, hide, or turn the direction of writing', async () => {
  const evil = 'a\u001b[31m\u009b31m\u202e\u200b\u2028\ufeff'
  const token = userToken({ name: evil, [evil]: 1 })
  for (const args of [[], ['-o', 'json']]) {
    const { stdout } = await inspect(token, ...args)
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u2028\u202e\ufeff]/)
  }
  const json = await inspectJson(token)
  assert.equal((json['claims'] as Record<string, unknown>)['name'], evil)
})

test('a claim longer than a few lines is cut short, but not in JSON', async () => {
  const groups = Array.from({ length: 500 }, (_, i) => `group-${i}`)
  const token = userToken({ groups })
  const { stdout } = await inspect(token)
  assert.match(stdout, /… \(\d+ characters; -o json shows all\)/)
  assert.ok(!stdout.includes('group-499'))
  assert.deepEqual(((await inspectJson(token))['claims'] as Record<string, unknown>)['groups'], groups)
})

test('standard input is read where no token is given, and neither mesh file nor environment', async () => {
  const around = { input: `${userToken()}\n`, env: { ONBEHALF_CONFIG: '/nowhere', ONBEHALF_SERVICE: 'x' } }
  for (const args of [['inspect'], ['inspect', '-']]) {
    assert.equal((await runToken(args, around)).status, 0)
  }
})

test('nothing on standard input, and too much of it, are wrong use', async () => {
  for (const [input, words] of [
    [' \n', /standard input holds no token/],
    ['a'.repeat(2_000_000), /more than 1048576 bytes are no token/],
  ] as const) {
    const { status, stdout, stderr } = await runToken(['inspect'], { input })
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, words)
  }
})
