// Whatever a peer says of identity is set aside, under any spelling, and nobody can nominate it away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  isPomeriumAuthorization,
  siftHeaders,
  siftResponseHeaders,
  siftTrailers,
  withoutPomeriumAuthorization,
} from '../../../shared/headers/firewall.ts'

const claimHeaders = new Set(['x-pomerium-claim-email', 'authenticated-user', 'x-team'])
const nothing = {
  assertion: undefined,
  assertionFor: undefined,
  via: undefined,
  handle: undefined,
  tracestate: [],
  baggage: [],
}
const sift = (...headers: string[]) => siftHeaders(headers, claimHeaders)
const namesOf = (headers: readonly string[]) => headers.filter((_, i) => i % 2 === 0)

test('what has to do with no identity passes, byte for byte and in order', () => {
  const headers = [
    'Host',
    'api',
    'accept',
    'A',
    'ACCEPT',
    'b',
    'Cookie',
    'x=1',
    'Authorization',
    'Bearer theirs',
    'X-Pomeriumish',
    '1',
  ]
  assert.deepEqual(sift(...headers).passing, headers)
})

test('the four claims are read and do not pass', () => {
  const sifted = sift(
    'X-Pomerium-Jwt-Assertion',
    'a',
    'X-Pomerium-Jwt-Assertion-For',
    'f',
    'x-onbehalf-via',
    'v',
    'x-onbehalf-handle',
    'h',
  )
  assert.deepEqual(sifted.claimed, { ...nothing, assertion: 'a', assertionFor: 'f', via: 'v', handle: 'h' })
  assert.deepEqual(sifted.passing, [])
  assert.equal(sifted.duplicated, undefined)
})

test('a claim counts in any case of its letters', () => {
  assert.equal(sift('X-POMERIUM-JWT-ASSERTION', 'a').claimed.assertion, 'a')
  assert.equal(sift('x-pomerium-jwt-assertion', 'a').claimed.assertion, 'a')
})

const identityNames = [
  'x-pomerium-jwt-assertion',
  'x-pomerium-jwt-assertion-for',
  'x-pomerium-authorization',
  'x-pomerium-authenticated-user-id',
  'x-pomerium-original-user-email',
  'x-pomerium-claim-anything',
  'x-pomerium-claim-email',
  'x-onbehalf-handle',
  'x-onbehalf-via',
  'x-onbehalf-chain',
  'x-onbehalf-anything',
  'authenticated-user',
  'x-team',
]
const spellings: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => name.replaceAll('-', '_'),
  (name) => name.replaceAll('-', '.'),
  (name) => name.replace('-', '_'),
  (name) => name.replaceAll('-', '!'),
  (name) => name.replaceAll('-', '~').toUpperCase(),
  (name) => name.replace(/-([^-]*)$/, '.$1').toUpperCase(),
]
for (const name of identityNames) {
  test(`${name} does not pass in any spelling`, () => {
    for (const spell of spellings) assert.deepEqual(sift(spell(name), 'evil').passing, [], spell(name))
  })
}

test('a look-alike is dropped and claims nothing', () => {
  for (const name of [
    'X_Pomerium_Jwt_Assertion',
    'x.pomerium.jwt.assertion',
    'x-pomerium-jwt_assertion',
    'x_onbehalf_handle',
  ]) {
    const { claimed, duplicated } = sift(name, 'evil')
    assert.deepEqual(claimed, nothing, name)
    assert.equal(duplicated, undefined)
  }
})

test('a look-alike beside the real one changes nothing', () => {
  const { claimed, duplicated } = sift(
    'x_pomerium_jwt_assertion',
    'evil',
    'x-pomerium-jwt-assertion',
    'a',
    'x.pomerium.jwt.assertion',
    'evil',
  )
  assert.equal(claimed.assertion, 'a')
  assert.equal(duplicated, undefined)
})

for (const name of [
  'x-pomerium-jwt-assertion',
  'x-pomerium-jwt-assertion-for',
  'x-onbehalf-via',
  'x-onbehalf-handle',
]) {
  test(`${name} twice is ambiguous, equal or not, empty or not, in any case`, () => {
    for (const [first, second] of [
      ['a', 'b'],
      ['a', 'a'],
      ['', 'a'],
      ['a', ''],
      ['', ''],
    ] as const) {
      assert.equal(sift(name, first, 'accept', '*', name.toUpperCase(), second).duplicated, name)
    }
  })
}

test('an empty claim is none', () => {
  const { claimed } = sift(
    'X-Pomerium-Jwt-Assertion',
    '',
    'X-Pomerium-Jwt-Assertion-For',
    '',
    'x-onbehalf-handle',
    '',
  )
  assert.deepEqual(claimed, nothing)
})

test('a claim is read byte for byte: what surrounds it is not cut off, so that nothing but the claim is one', () => {
  assert.equal(sift('x-onbehalf-handle', ' h\u00a0').claimed.handle, ' h\u00a0')
})

const fixedHopByHop = [
  'Connection',
  'Keep-Alive',
  'Proxy-Connection',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'TE',
  'Expect',
  'Transfer-Encoding',
  'Upgrade',
  'HTTP2-Settings',
]
for (const name of fixedHopByHop) {
  test(`${name} concerns this connection alone and does not pass`, () =>
    assert.deepEqual(sift(name, 'x').passing, []))
}

test('what Connection nominates does not pass', () => {
  const headers = [
    'Connection',
    'close, X-A ,x-b',
    'connection',
    'X-C',
    'X-A',
    '1',
    'x-B',
    '2',
    'X-c',
    '3',
    'X-D',
    '4',
  ]
  assert.deepEqual(sift(...headers).passing, ['X-D', '4'])
})

test('Host and Content-Length cannot be nominated away', () => {
  const headers = ['Connection', 'host, Content-Length, close', 'Host', 'api', 'Content-Length', '3']
  assert.deepEqual(sift(...headers).passing, ['Host', 'api', 'Content-Length', '3'])
})

test('a claim that Connection nominates is a claim all the same', () => {
  const { claimed, passing } = sift(
    'Connection',
    'X-Pomerium-Jwt-Assertion, x-onbehalf-handle',
    'X-Pomerium-Jwt-Assertion',
    'a',
    'x-onbehalf-handle',
    'h',
  )
  assert.deepEqual({ assertion: claimed.assertion, handle: claimed.handle }, { assertion: 'a', handle: 'h' })
  assert.deepEqual(passing, [])
})

test('empty and broken options of Connection nominate nothing', () => {
  assert.deepEqual(sift('Connection', ', ,,"x-a"', 'X-A', '1').passing, ['X-A', '1'])
})

// Properties.

const anyCase = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) =>
    Array.from(text)
      .map((letter, i) => (upper[i] ? letter.toUpperCase() : letter))
      .join(''),
  )
const anySeparator = (text: string) =>
  fc
    .array(fc.constantFrom('-', '_', '.', '!', '~', '+', '|'), {
      minLength: text.length,
      maxLength: text.length,
    })
    .map((separators) =>
      Array.from(text)
        .map((letter, i) => (letter === '-' ? (separators[i] as string) : letter))
        .join(''),
    )
const tokenText = fc.string({
  unit: fc.constantFrom(...Array.from('abXZ09-_.!~')),
  minLength: 1,
  maxLength: 12,
})
const identityName = fc.oneof(
  fc.constantFrom(...identityNames),
  tokenText.map((tail) => `x-pomerium-${tail.toLowerCase()}`),
  tokenText.map((tail) => `x-onbehalf-${tail.toLowerCase()}`),
)
const spelt = identityName.chain(anySeparator).chain(anyCase)
const headerName = fc.oneof(
  tokenText,
  spelt,
  fc.constantFrom('Connection', 'Host', 'Accept', 'Authorization'),
)
const headerList = fc
  .array(
    fc.tuple(
      headerName,
      fc.oneof(tokenText, spelt, fc.constantFrom('', 'close', 'X-Pomerium-Jwt-Assertion, x-a')),
    ),
    { maxLength: 12 },
  )
  .map((fields) => fields.flat())

/** Written independently of the source: how the loosest reader compares names. */
const loosely = (name: string) =>
  Array.from(name.toLowerCase())
    .map((letter) => (/[a-z0-9]/.test(letter) ? letter : '-'))
    .join('')
const isIdentity = (name: string) =>
  /^x-(pomerium|onbehalf)-/.test(loosely(name)) || claimHeaders.has(loosely(name))

test('of arbitrary headers none that passes has an identity name in any spelling', () => {
  fc.assert(
    fc.property(headerList, (headers) => {
      for (const name of namesOf(sift(...headers).passing)) assert.ok(!isIdentity(name), name)
    }),
    { numRuns: 500 },
  )
})

test('of arbitrary headers all that are no identity, not hop by hop and not nominated pass in order', () => {
  fc.assert(
    fc.property(headerList, (headers) => {
      const nominated = new Set(
        headers
          .flatMap((name, i) =>
            i % 2 === 0 && name.toLowerCase() === 'connection' ? (headers[i + 1] as string).split(',') : [],
          )
          .map((option) => option.trim().toLowerCase()),
      )
      const expected = headers.filter((_, i) => {
        const name = (headers[i - (i % 2)] as string).toLowerCase()
        return !isIdentity(name) && name !== 'connection' && (name === 'host' || !nominated.has(name))
      })
      assert.deepEqual(sift(...headers).passing, expected)
    }),
    { numRuns: 500 },
  )
})

test('of arbitrary headers a claim is exactly the one value under its exact name, or the request is ambiguous', () => {
  fc.assert(
    fc.property(headerList, (headers) => {
      const { claimed, duplicated } = sift(...headers)
      const values = (name: string) =>
        headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name)
      const names = {
        assertion: 'x-pomerium-jwt-assertion',
        assertionFor: 'x-pomerium-jwt-assertion-for',
        via: 'x-onbehalf-via',
        handle: 'x-onbehalf-handle',
      } as const
      const twice = Object.values(names).filter((name) => values(name).length > 1)
      assert.equal(duplicated !== undefined, twice.length > 0)
      if (duplicated !== undefined) return
      for (const [which, name] of Object.entries(names)) {
        assert.equal(claimed[which as keyof typeof names], values(name)[0] || undefined)
      }
    }),
    { numRuns: 500 },
  )
})

// A Pomerium service account's token.

for (const value of [
  'Pomerium eyJ',
  'Pomerium\teyJ',
  'pomerium eyJ',
  'Bearer Pomerium-eyJ',
  'bearer pomerium-eyJ',
  'Bearer  Pomerium-eyJ',
  ' Bearer Pomerium-eyJ',
]) {
  test(`Authorization: ${JSON.stringify(value)} holds a Pomerium token and is removed`, () => {
    assert.ok(isPomeriumAuthorization(value))
    assert.deepEqual(withoutPomeriumAuthorization(['Accept', '*', 'AUTHORIZATION', value]), ['Accept', '*'])
  })
}

for (const value of [
  'Bearer eyJ',
  'Basic UG9tZXJpdW0g',
  'Bearer x Pomerium-eyJ',
  'PomeriumX y',
  'Pomerium',
  'DPoP Pomerium-x',
]) {
  test(`Authorization: ${JSON.stringify(value)} is somebody’s own and stays`, () => {
    assert.deepEqual(withoutPomeriumAuthorization(['authorization', value]), ['authorization', value])
  })
}

test('of several Authorization fields only those that hold a Pomerium token are removed', () => {
  const headers = [
    'Authorization',
    'Pomerium a',
    'authorization',
    'Bearer b',
    'Authorization',
    'Bearer Pomerium-c',
  ]
  assert.deepEqual(withoutPomeriumAuthorization(headers), ['authorization', 'Bearer b'])
})

test('a Pomerium token in another field is not looked for', () => {
  assert.deepEqual(withoutPomeriumAuthorization(['X-Note', 'Pomerium eyJ']), ['X-Note', 'Pomerium eyJ'])
})

// Responses.

test('of a response hop-by-hop fields and what they nominate do not pass', () => {
  const headers = [
    'Connection',
    'keep-alive, X-A',
    'Keep-Alive',
    'timeout=5',
    'Transfer-Encoding',
    'chunked',
    'X-A',
    '1',
    'Set-Cookie',
    'a',
    'set-cookie',
    'b',
  ]
  for (const keepOurs of [true, false])
    assert.deepEqual(siftResponseHeaders(headers, keepOurs), ['Set-Cookie', 'a', 'set-cookie', 'b'])
})

test('of an app’s response nothing that looks like ours passes', () => {
  const headers = [
    'x-onbehalf-error',
    'policy_denied',
    'X_Onbehalf_Request_Id',
    '1',
    'x.onbehalf.handle',
    'h',
    'X-Onbehalf-Anything',
    '1',
    'X-Own',
    '1',
  ]
  assert.deepEqual(siftResponseHeaders(headers, false), ['X-Own', '1'])
})

test('of a sidecar’s response its refusal passes', () => {
  const headers = ['x-onbehalf-error', 'policy_denied', 'x-onbehalf-request-id', '1']
  assert.deepEqual(siftResponseHeaders(headers, true), headers)
})

test('of no response a handle passes, in any spelling', () => {
  for (const name of ['x-onbehalf-handle', 'X-ONBEHALF-HANDLE', 'x_onbehalf_handle', 'X.Onbehalf.Handle']) {
    for (const keepOurs of [true, false])
      assert.deepEqual(siftResponseHeaders([name, 'h'], keepOurs), [], name)
  }
})

for (const name of [
  'X-Pomerium-Jwt-Assertion',
  'x_pomerium_jwt_assertion_for',
  'X-Onbehalf-Handle',
  'x.onbehalf.via',
  'Transfer-Encoding',
  'Content_Length',
  'Host',
  'Authorization',
  'Set-Cookie',
  'Content-Type',
  'Cache-Control',
  'If-None-Match',
  'X-Forwarded-For',
  'Access-Control-Allow-Origin',
  'Trailer',
  'Connection',
]) {
  test(`${name} does not pass as a trailer`, () =>
    assert.deepEqual(siftTrailers([name, 'x', 'X-Checksum', '1'], new Set()), [['X-Checksum', '1']]))
}

test('other trailers pass, repeated ones too, but for the claims that the mesh file names', () => {
  const trailers = ['Grpc-Status', '0', 'X-T', '1', 'X-T', '2', 'X_Team', 'admins']
  assert.deepEqual(siftTrailers(trailers, new Set(['x-team'])), [
    ['Grpc-Status', '0'],
    ['X-T', '1'],
    ['X-T', '2'],
  ])
})

// The trace context.

test('a handle is taken out of the trace context, and the rest passes in its place', () => {
  const sifted = sift(
    'Accept',
    '*',
    'TraceState',
    'a=1,onbehalf=h1,b=2',
    'baggage',
    'onbehalf=h2;p=1, c=3',
    'X-Own',
    '1',
  )
  assert.deepEqual(sifted.passing, ['Accept', '*', 'TraceState', 'a=1,b=2', 'baggage', 'c=3', 'X-Own', '1'])
  assert.deepEqual(sifted.claimed, { ...nothing, tracestate: ['h1'], baggage: ['h2'] })
})

test('a trace context that holds a handle alone is dropped whole', () => {
  const sifted = sift('tracestate', 'onbehalf=h', 'baggage', 'onbehalf=h', 'traceparent', 'p')
  assert.deepEqual(sifted.passing, ['traceparent', 'p'])
})

test('Connection cannot nominate a handle away', () => {
  const sifted = sift(
    'Connection',
    'tracestate, baggage',
    'tracestate',
    'onbehalf=h1',
    'baggage',
    'onbehalf=h2,c=3',
  )
  assert.deepEqual(sifted.claimed, { ...nothing, tracestate: ['h1'], baggage: ['h2'] })
  assert.deepEqual(sifted.passing, [])
})

for (const name of ['uberctx-onbehalf', 'ot-baggage-onbehalf', 'Baggage_Onbehalf']) {
  test(`a handle in a header of its own, as some propagators make it, does not pass: ${name}`, () => {
    assert.deepEqual(sift(name, 'h', 'X-Own', '1').passing, ['X-Own', '1'])
    assert.deepEqual(siftResponseHeaders([name, 'h', 'X-Own', '1'], true), ['X-Own', '1'])
  })
}

test('a handle in jaeger-baggage is taken out, too', () => {
  assert.deepEqual(sift('jaeger-baggage', 'a=1, onbehalf=h').passing, ['jaeger-baggage', 'a=1'])
})

test('no handle gets out with a response', () => {
  for (const keepOurs of [true, false]) {
    const headers = ['tracestate', 'a=1,onbehalf=h', 'baggage', 'onbehalf=h', 'X-Own', '1']
    assert.deepEqual(siftResponseHeaders(headers, keepOurs), ['tracestate', 'a=1', 'X-Own', '1'])
  }
})

test('a trace context is nothing for trailers', () => {
  const names = ['traceparent', 'tracestate', 'baggage', 'jaeger-baggage', 'uberctx-onbehalf']
  assert.deepEqual(
    siftTrailers(
      names.flatMap((name) => [name, 'onbehalf=h']),
      claimHeaders,
    ),
    [],
  )
})
