// Where a request wants to go is read in one way, or it is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAuthority, readTarget } from '../../shared/target.ts'
import { refusalOf } from '../support/tokens.ts'

const read = (target: string, ...hosts: string[]) =>
  readTarget({ method: 'GET', target, headers: hosts.flatMap((host) => ['Host', host]) })
const codeOf = (target: string, ...hosts: string[]) => refusalOf(() => read(target, ...hosts))

test('the host comes from Host, the path from the target, byte for byte', () => {
  assert.deepEqual(read('/a/%2e/../b?c=d%20', 'API.example.com:8080'), {
    host: 'api.example.com',
    port: 8080,
    tls: false,
    originForm: '/a/%2e/../b?c=d%20',
    absoluteForm: false,
  })
})

test('without Host a request is malformed', () => assert.equal(codeOf('/'), 'request_malformed'))

test('two Hosts are ambiguous, equal or not, in any case of the name', () => {
  assert.equal(codeOf('/', 'a', 'b'), 'request_ambiguous')
  assert.equal(codeOf('/', 'a', 'a'), 'request_ambiguous')
  assert.equal(codeOf('/', '', 'a'), 'request_ambiguous')
  const head = { method: 'GET', target: '/', headers: ['HOST', 'a', 'host', 'b'] }
  assert.equal(
    refusalOf(() => readTarget(head)),
    'request_ambiguous',
  )
})

const noHosts = [
  '',
  ' ',
  'a b',
  'a,b',
  'a/b',
  'a?b',
  'a#b',
  'user@a',
  'user:pass@a',
  'http://a',
  'a:',
  'a:x',
  'a:0',
  'a:65536',
  'a:123456',
  'a:80:80',
  ':80',
  '[',
  '[]',
  '[]:80',
  '[::1',
  '::1',
  '[::1]x',
  '[fe80]',
  '[127.0.0.1]',
  '[::1]:',
  '[fe80::1%eth0]',
  'a\\b',
  'a%2fb',
  'zoë',
  '\u0130',
  '.',
  '.:80',
  'api..',
  '..',
]
for (const host of noHosts) {
  test(`${JSON.stringify(host)} is no Host`, () => {
    assert.equal(codeOf('/', host), 'request_malformed')
    assert.equal(parseAuthority(host), undefined)
  })
}

const authorities: readonly (readonly [text: string, host: string, port: number | undefined])[] = [
  ['api', 'api', undefined],
  ['API.Example.COM', 'api.example.com', undefined],
  ['api:1', 'api', 1],
  ['api:65535', 'api', 65_535],
  ['api:00080', 'api', 80],
  ['api.', 'api', undefined],
  ['api.:80', 'api', 80],
  ['127.0.0.1:80', '127.0.0.1', 80],
  ['[::1]', '::1', undefined],
  ['[FE80::1]:80', 'fe80::1', 80],
  ['a_b.c-d', 'a_b.c-d', undefined],
]
for (const [text, host, port] of authorities) {
  test(`${text} is host ${host}, port ${port ?? 'not given'}`, () =>
    assert.deepEqual(parseAuthority(text), { host, port }))
}

for (const target of [
  '',
  'a',
  'a/b',
  '?a',
  '*',
  'ftp://api/',
  'http:/api/',
  'http:///',
  'http://',
  '//api/',
  'api:80',
  'ws://api/',
  'http://u@api/',
  'http://api:x/',
]) {
  const expected = target === '//api/' ? undefined : 'request_malformed'
  test(`the target ${JSON.stringify(target)} is ${expected === undefined ? 'a path' : 'malformed'}`, () => {
    if (expected === undefined) assert.equal(read(target, 'api').originForm, target)
    else assert.equal(codeOf(target, 'api'), expected)
  })
}

for (const character of [' ', '\t', '\r', '\n', '\0', '\u007f', '#', 'ë', '\u00a0']) {
  test(`the character ${JSON.stringify(character)} stands in no target`, () => {
    assert.equal(codeOf(`/a${character}b`, 'api'), 'request_malformed')
    assert.equal(codeOf(`http://api/a${character}b`, 'api'), 'request_malformed')
  })
}

test('an asterisk is the target of OPTIONS alone', () => {
  const options = readTarget({ method: 'OPTIONS', target: '*', headers: ['Host', 'api'] })
  assert.equal(options.originForm, '*')
  assert.equal(codeOf('*', 'api'), 'request_malformed')
  assert.equal(
    refusalOf(() => readTarget({ method: 'options', target: '*', headers: ['Host', 'api'] })),
    'request_malformed',
  )
})

const absolutes: readonly (readonly [
  target: string,
  host: string,
  expected: readonly [tls: boolean, port: number | undefined, originForm: string] | 'request_ambiguous',
])[] = [
  ['http://api/x?y', 'api', [false, undefined, '/x?y']],
  ['HTTP://API/x', 'api', [false, undefined, '/x']],
  ['http://api', 'api', [false, undefined, '/']],
  ['http://api?y', 'api', [false, undefined, '/?y']],
  ['http://api/', 'api:80', [false, undefined, '/']],
  ['http://api:80/', 'api', [false, 80, '/']],
  ['https://api/', 'api', [true, undefined, '/']],
  ['https://api/', 'api:443', [true, undefined, '/']],
  ['http://api:8080/', 'api:8080', [false, 8080, '/']],
  ['http://api./', 'api', [false, undefined, '/']],
  ['http://[::1]/', '[::1]', [false, undefined, '/']],
  ['http://api/', 'other', 'request_ambiguous'],
  ['http://api/', 'api:8080', 'request_ambiguous'],
  ['http://api:8080/', 'api', 'request_ambiguous'],
  ['https://api/', 'api:80', 'request_ambiguous'],
  ['http://api/', 'api:443', 'request_ambiguous'],
  ['http://api:443/', 'api', 'request_ambiguous'],
]
for (const [target, host, expected] of absolutes) {
  test(`${target} with Host ${host} is ${typeof expected === 'string' ? expected : 'one host'}`, () => {
    if (typeof expected === 'string') {
      assert.equal(codeOf(target, host), expected)
      return
    }
    const [tls, port, originForm] = expected
    const { host: bare } = parseAuthority(host) as { host: string }
    assert.deepEqual(read(target, host), { host: bare, port, tls, originForm, absoluteForm: true })
  })
}

test('a host that is read is never empty, holds no letter in upper case, and reads the same again', () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('aZ0-._~:[]@/')), maxLength: 12 })
  fc.assert(
    fc.property(text, (given) => {
      const authority = parseAuthority(given)
      if (authority === undefined) return
      assert.notEqual(authority.host, '')
      assert.equal(authority.host, authority.host.toLowerCase())
      if (!authority.host.includes(':')) assert.equal(parseAuthority(authority.host)?.host, authority.host)
    }),
    { numRuns: 2_000 },
  )
})
