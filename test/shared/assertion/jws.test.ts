// Whatever two readers could read differently is no JWS to us.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keepHeader, MalformedToken, parseJws, type JwsHeader } from '../../../shared/assertion/jws.ts'
import { BoundedMap } from '../../../shared/bounded-map.ts'

const base64url = (text: string | Uint8Array) => Buffer.from(text).toString('base64url')
const goodHeader = '{"alg":"ES256","kid":"k","typ":"JWT"}'
const tokenOf = (
  payload: string | Uint8Array,
  header: string | Uint8Array = goodHeader,
  signature = 'AAAA',
) => `${base64url(header)}.${base64url(payload)}.${signature}`
const parsePayload = (payload: string) => parseJws(tokenOf(payload)).payload

function isMalformed(token: string, reason: RegExp): void {
  assert.throws(
    () => parseJws(token),
    (error) => error instanceof MalformedToken && reason.test(error.message),
  )
}

test('a JWS is taken apart into what was signed and the signature over it', () => {
  const token = tokenOf('{"sub":"alice"}')
  const jws = parseJws(token)
  assert.equal(jws.header.algorithm, 'ES256')
  assert.equal(jws.header.keyId, 'k')
  assert.equal(jws.header.certificates, undefined)
  assert.deepEqual(jws.payload, { sub: 'alice' })
  assert.equal(`${jws.signingInput}.AAAA`, token)
  assert.deepEqual(jws.signature, Buffer.alloc(3))
})

test('an empty signature is not malformed, so that alg none is refused by its name', () => {
  assert.equal(parseJws(tokenOf('{}', '{"alg":"none"}', '')).header.algorithm, 'none')
})

for (const token of [
  '',
  '.',
  `${base64url(goodHeader)}..AAAA`,
  '..',
  'a',
  'a.b',
  '.a.b',
  'a.b.c.d',
  'a.b.c.',
  'a.b.c.d.e',
  'e30.e30',
]) {
  test(`${JSON.stringify(token)} has not three parts`, () => isMalformed(token, /three parts|base64url|JSON/))
}

const [head, body] = [base64url(goodHeader), base64url('{"a":1}')] as const
const notCanonical: Readonly<Record<string, string>> = {
  'padding in the header': `${base64url('{"alg":"ES256" }')}=.${body}.AAAA`,
  'padding in the payload': `${head}.${base64url('{"a":12}')}=.AAAA`,
  'padding in the signature': `${head}.${body}.AAA=`,
  'stray bits in the signature': `${head}.${body}.AAB`,
  'stray bits in the payload': `${head}.${body.slice(0, -1)}R.AAAA`,
  'one character too many in the signature': `${head}.${body}.AAAAA`,
  'standard base64 in the signature': `${head}.${body}.AA+/`,
  'a blank': `${head}.${body}.AA AA`,
  'a line feed at the end': `${head}.${body}.AAAA\n`,
  'a blank before the header': ` ${head}.${body}.AAAA`,
  'a NUL': `${head}.${body}.AAAA\0`,
  'a letter beyond ASCII': `${head}.${body}.AAAÅ`,
}
for (const [name, token] of Object.entries(notCanonical)) {
  test(`${name} is not canonical base64url`, () => isMalformed(token, /canonical/))
}

for (const payload of [
  ' ',
  'null',
  '1',
  '"a"',
  '[]',
  '[{}]',
  '{',
  '{"a":1}x',
  "{'a':1}",
  '{"a":1,}',
  '\ufeff{}',
  '{"a":NaN}',
]) {
  test(`a payload ${JSON.stringify(payload)} is no JSON object`, () => {
    isMalformed(tokenOf(payload), /the payload is not (JSON|a JSON object)/)
    isMalformed(tokenOf('{}', payload), /the header is not (JSON|a JSON object)/)
  })
}

const notUtf8: Readonly<Record<string, readonly number[]>> = {
  'a lone continuation byte': [0x80],
  'an overlong form': [0xc0, 0xaf],
  'a surrogate': [0xed, 0xa0, 0x80],
  'a byte that is never there': [0xff],
  'a sequence that breaks off': [0xe2, 0x82],
}
for (const [name, bytes] of Object.entries(notUtf8)) {
  test(`${name} is not UTF-8`, () => {
    isMalformed(
      tokenOf(Buffer.from([...Buffer.from('{"a":"'), ...bytes, ...Buffer.from('"}')])),
      /the payload is not UTF-8/,
    )
  })
}

const twice = [
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":2}',
  '{"\\u0061":1,"a":2}',
  '{"sub":"alice","sub":"bob"}',
  '{"a":{"b":1,"b":2}}',
  '{"a":[{"b":1,"b":2}]}',
  '{"a":[[[{"b":1,"c":0,"b":2}]]]}',
  '{"a":{"b":1},"a":2}',
  '{"a":2,"a":{"b":1}}',
  '{"__proto__":1,"__proto__":2}',
  '{"":1,"":2}',
  '{"a:b":1,"a:b":2}',
  '{"\\"":1,"\\u0022":2}',
]
for (const text of twice) {
  test(`${text} has a member twice`, () => {
    isMalformed(tokenOf(text), /the payload has a member twice/)
    isMalformed(tokenOf('{}', text.replace('{', '{"alg":"ES256",')), /the header has a member twice/)
  })
}

for (const text of [
  '{"a:b":":"}',
  '{"a":"{\\"b\\":1}"}',
  '{"a":"\\\\","b":"\\":"}',
  '{"a":{"a":{"a":[]}},"b":{"a":1}}',
  '{"a":[1,1]}',
]) {
  test(`${text} has no member twice`, () => assert.deepEqual(parsePayload(text), JSON.parse(text)))
}

test('a member __proto__ is a member like others and changes nothing of the object', () => {
  const payload = parsePayload('{"__proto__":{"sub":"admin"}}')
  assert.equal(payload['sub'], undefined)
  assert.equal(Object.getPrototypeOf(payload), Object.prototype)
  assert.deepEqual(Object.keys(payload), ['__proto__'])
})

test('a payload that is nested without end is malformed, not a failure of ours', () => {
  for (const depth of [1_000, 10_000, 100_000]) {
    isMalformed(tokenOf(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`), /nested/)
    isMalformed(tokenOf(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`), /nested/)
    isMalformed(tokenOf('{}', `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`), /nested/)
  }
})

const badHeaders: Readonly<Record<string, RegExp>> = {
  '{"alg":"ES256","crit":[]}': /crit/,
  '{"alg":"ES256","crit":["b64"],"b64":false}': /crit/,
  '{"alg":"ES256","crit":null}': /crit/,
  '{"alg":"ES256","typ":"onbehalf-link+jwt"}': /typ/,
  '{"alg":"ES256","typ":"at+jwt"}': /typ/,
  '{"alg":"ES256","typ":""}': /typ/,
  '{"alg":"ES256","typ":null}': /typ/,
  '{"alg":"ES256","typ":["JWT"]}': /typ/,
  '{}': /alg/,
  '{"alg":null}': /alg/,
  '{"alg":["ES256"]}': /alg/,
  '{"alg":"ES256","kid":7}': /kid/,
  '{"alg":"ES256","kid":null}': /kid/,
  '{"alg":"ES256","x5c":"AAAA"}': /x5c/,
  '{"alg":"ES256","x5c":null}': /x5c/,
  '{"alg":"ES256","x5c":[1]}': /x5c/,
  '{"alg":"ES256","x5c":{"0":"AAAA","length":1}}': /x5c/,
}
for (const [header, reason] of Object.entries(badHeaders)) {
  test(`the header ${header} is malformed`, () => isMalformed(tokenOf('{}', header), reason))
}

for (const header of ['{"alg":"ES256"}', '{"alg":"ES256","typ":"JWT"}', '{"alg":"ES256","typ":"jwt"}']) {
  test(`the header ${header} is that of a JWT`, () =>
    assert.equal(parseJws(tokenOf('{}', header)).header.algorithm, 'ES256'))
}

test('a payload may be nested as deep as claims ever are', () => {
  const text = `{"a":${'['.repeat(60)}${']'.repeat(60)}}`
  assert.deepEqual(parsePayload(text), JSON.parse(text))
})

test('what makes a token malformed never stands in the message', () => {
  const messages = [
    tokenOf('{"sub":"alice","sub":"alice"}'),
    tokenOf('{"sub":"alice"'),
    tokenOf('{}', '{"alg":"ES256","typ":"alice"}'),
  ]
  for (const token of messages)
    assert.throws(
      () => parseJws(token),
      (error: Error) => !error.message.includes('alice'),
    )
})

// Properties.

type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json }
const isMembers = (value: Json): value is { readonly [member: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const memberName = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 5 }).filter((name) => !name.includes('\\')),
  fc.constantFrom('__proto__', 'constructor', 'toString', '', '"', ':', '{"a":1}', 'sub'),
)
const jsonValue = fc.letrec<{ value: Json; members: { [member: string]: Json } }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string(),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('members'),
  ),
  members: fc
    .uniqueArray(fc.tuple(memberName, tie('value')), { maxLength: 4, selector: ([name]) => name })
    .map((members) => Object.fromEntries(members)),
})).members

/** Writes JSON in any of its spellings, and one of its members (by `target`, from 0) twice. */
function write(root: Json, random: () => number, target = -1): string {
  let seen = 0
  const blank = () => ['', ' ', '\n\t'][random() % 3] as string
  const text = (value: string) => {
    const units = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i))
    return `"${units.map(unit).join('')}"`
  }
  const unit = (code: number) => {
    const mustEscape = code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code <= 0xdfff)
    return mustEscape || random() % 3 === 0
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : String.fromCharCode(code)
  }
  const member = (name: string, value: Json) =>
    `${blank()}${text(name)}${blank()}:${blank()}${node(value)}${blank()}`
  const node = (value: Json): string => {
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return `[${value.map((item: Json) => blank() + node(item)).join(',')}]`
    if (!isMembers(value)) return JSON.stringify(value)
    const parts: string[] = []
    for (const [name, inner] of Object.entries(value)) {
      const isTarget = seen++ === target
      const written = member(name, inner)
      parts.push(written)
      if (isTarget) parts.push(member(name, random() % 2 === 0 ? inner : 'another'))
    }
    return `{${parts.join(',')}}`
  }
  return node(root)
}

function countMembers(value: Json): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item: Json) => sum + countMembers(item), 0)
  if (!isMembers(value)) return 0
  return Object.values(value).reduce<number>((sum, inner) => sum + 1 + countMembers(inner), 0)
}

const randomness = fc.infiniteStream(fc.nat(1_000)).map((stream) => () => stream.next().value as number)

test('a JSON object without duplicates is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(jsonValue, randomness, (value, random) => {
      const text = write(value, random)
      assert.deepEqual(parsePayload(text), JSON.parse(text))
    }),
  )
})

test('a JSON object with any of its members twice, in any spelling, is malformed', () => {
  fc.assert(
    fc.property(jsonValue, randomness, fc.nat(1_000), (value, random, choice) => {
      const count = countMembers(value)
      fc.pre(count > 0)
      isMalformed(tokenOf(write(value, random, choice % count)), /twice/)
    }),
  )
})

const base64urlText = fc.string({ unit: fc.constantFrom(...Array.from('ABCabc019_-')) })
const anyPart = fc.oneof(
  base64urlText,
  fc.string(),
  fc.string().map(base64url),
  fc.uint8Array().map(base64url),
  fc.json().map(base64url),
  fc.constant(base64url(goodHeader)),
)

test('whatever the text, it is parsed or malformed, and nothing else happens', () => {
  const anyToken = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(anyPart, { maxLength: 5 }).map((parts) => parts.join('.')),
  )
  fc.assert(
    fc.property(anyToken, (token) => {
      try {
        assert.equal(typeof parseJws(token).header.algorithm, 'string')
      } catch (error) {
        assert.ok(error instanceof MalformedToken, String(error))
      }
    }),
    { numRuns: 1_000 },
  )
})

test('a token that is parsed is written in one way only: any other character makes it another token or none', () => {
  const token = tokenOf('{"sub":"alice"}')
  fc.assert(
    fc.property(
      fc.nat(token.length - 1),
      fc.string({ unit: fc.constantFrom(...Array.from('Aa0_-=+/. \t')), minLength: 1, maxLength: 2 }),
      (at, text) => {
        const changed = token.slice(0, at) + text + token.slice(at)
        let parsed
        try {
          parsed = parseJws(changed)
        } catch {
          return
        }
        assert.equal(`${parsed.signingInput}.${parsed.signature.toString('base64url')}`, changed)
      },
    ),
  )
})

const typed = (typ: string | undefined) =>
  tokenOf('{}', JSON.stringify({ alg: 'ES256', ...(typ !== undefined && { typ }) }))

test('a JWS is of the type that is asked for, and a link must say so in these very letters', () => {
  assert.equal(parseJws(typed('onbehalf-link+jwt'), 'onbehalf-link+jwt').header.algorithm, 'ES256')
  for (const typ of [undefined, 'JWT', 'jwt', 'ONBEHALF-LINK+JWT', 'application/onbehalf-link+jwt']) {
    assert.throws(() => parseJws(typed(typ), 'onbehalf-link+jwt'), /typ is not onbehalf-link\+jwt/)
  }
  isMalformed(typed('onbehalf-link+jwt'), /typ is not JWT/)
})

// Headers that are known.

const knownHeaders = (token: string, type?: string) => {
  const known = new BoundedMap<string, JwsHeader>(10_000)
  keepHeader(parseJws(token, type), known)
  return known
}

test('a header that is known is not read again, but for another payload too', () => {
  const known = knownHeaders(tokenOf('{}'))
  const jws = parseJws(tokenOf('{"sub":"alice"}'), 'JWT', known)
  assert.equal(jws.header, parseJws(tokenOf('{}'), 'JWT', known).header)
  assert.notEqual(jws.header, parseJws(tokenOf('{}')).header)
  assert.deepEqual(jws, parseJws(tokenOf('{"sub":"alice"}')))
})

test('a header that is known is of no other type for that', () => {
  const link = typed('onbehalf-link+jwt')
  assert.throws(() => parseJws(link, 'JWT', knownHeaders(link, 'onbehalf-link+jwt')), /typ is not JWT/)
  const token = typed('JWT')
  assert.throws(
    () => parseJws(token, 'onbehalf-link+jwt', knownHeaders(token)),
    /typ is not onbehalf-link\+jwt/,
  )
})

test('a known header makes no other spelling of it good, and nothing else of its token', () => {
  const known = knownHeaders(tokenOf('{}'))
  const text = base64url(goodHeader)
  for (const [token, reason] of [
    [tokenOf('{}').replace(text, `${text}=`), /canonical/],
    [tokenOf('{}', goodHeader.replace('"k"', '"k","kid":"l"')), /a member twice/],
    [tokenOf('{}', goodHeader.replace('{', '{"crit":[],')), /crit/],
    [tokenOf('{"a":1,"a":2}'), /a member twice/],
    [tokenOf('{}', goodHeader, 'AAA='), /canonical/],
  ] as const) {
    assert.throws(() => parseJws(token, 'JWT', known), reason)
  }
})

test('no more headers are kept than there is room for', () => {
  const known = new BoundedMap<string, JwsHeader>(2_000)
  for (let i = 0; i < 20; i++) keepHeader(parseJws(tokenOf('{}', `{"alg":"ES256","kid":"${i}"}`)), known)
  assert.ok(known.size > 0 && known.size < 4, String(known.size))
})
