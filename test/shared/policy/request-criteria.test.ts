// Every criterion about the request, its connection and its time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { denies, facts, matches, sound } from './support.ts'

test('http_method is compared as it is', () => {
  assert.equal(matches({ http_method: 'GET' }), true)
  assert.equal(matches({ http_method: { in: ['POST', 'PUT'] } }), false)
  assert.equal(matches({ http_method: 'GET' }, { method: 'get' }), false)
})

const paths: [matcher: unknown, path: string, expected: boolean][] = [
  ['/admin', '/admin', true],
  ['/admin', '/admin/', false],
  [{ starts_with: '/admin/' }, '/admin/users', true],
  [{ starts_with: '/.' }, '/.well-known', true],
  [{ ends_with: '.css' }, '/a/b.css', true],
  [{ contains: 'min' }, '/admin', true],
  [{ in: ['/a', '/b'] }, '/b', true],
  [{ not_in: ['/a', '/b'] }, '/b', false],
  ['/@me', '/%40me', true],
  ['/%40me', '/@me', true],
  ['/caf%C3%A9', '/caf%c3%a9', true],
  ['/café', '/caf%C3%A9', true],
  ['/a b', '/a%20b', true],
  ['/100%25', '/100%25', true],
]
for (const [matcher, path, expected] of paths) {
  test(`http_path ${JSON.stringify(matcher)} on ${path} is ${expected}`, () => {
    assert.equal(matches({ http_path: matcher }, { path }), expected)
  })
}

test('cors_preflight is the preflight', () => {
  assert.equal(matches({ cors_preflight: true }, { caller: undefined, corsPreflight: true }), true)
  assert.equal(matches({ cors_preflight: true }, { corsPreflight: false }), false)
})

test('source_ip takes an address, a network or a list', () => {
  assert.equal(matches({ source_ip: '192.0.2.1' }), true)
  assert.equal(matches({ source_ip: '192.0.2.0/24' }), true)
  assert.equal(matches({ source_ip: '192.0.3.0/24' }), false)
  assert.equal(
    matches({ source_ip: ['10.0.0.0/8', '2001:db8::/32'] }, { peer: { address: '2001:db8::7' } }),
    true,
  )
  assert.equal(
    matches({ source_ip: ['10.0.0.0/8', '2001:db8::/32'] }, { peer: { address: '2001:db9::7' } }),
    false,
  )
})

const fingerprint = '17859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704'
const longFingerprint = (fingerprint.match(/../g) as string[]).join(':').toUpperCase()
const spkiHash = Buffer.from(fingerprint, 'hex').toString('base64')
const certificate = { fingerprint, spkiHash: fingerprint, uriNames: ['spiffe://mesh/api', 'https://api'] }
const otherHash = 'ab'.repeat(32)
const certificates: [matcher: unknown, expected: boolean][] = [
  [{ fingerprint }, true],
  [{ fingerprint: longFingerprint }, true],
  [{ fingerprint: otherHash }, false],
  [{ fingerprint: [otherHash, fingerprint] }, true],
  [{ spki_hash: spkiHash }, true],
  [{ spki_hash: [spkiHash] }, true],
  [{ spki_hash: Buffer.from(otherHash, 'hex').toString('base64') }, false],
  [{ uri: 'spiffe://mesh/api' }, true],
  [{ uri: 'https://api' }, true],
  [{ san_uri: { starts_with: 'spiffe://mesh/' } }, true],
  [{ uri: 'spiffe://mesh/other' }, false],
  [{ uri: { not: 'spiffe://mesh/other' } }, true],
  [{ uri: { not: 'spiffe://mesh/api' } }, false],
  [{ fingerprint, uri: 'spiffe://mesh/other' }, false],
]
for (const [matcher, expected] of certificates) {
  test(`client_certificate ${JSON.stringify(matcher)} is ${expected}`, () => {
    const peer = { address: '192.0.2.1', certificate }
    assert.equal(matches({ client_certificate: matcher }, { peer }), expected)
    assert.equal(matches({ client_certificate: matcher }), false, 'without a certificate')
  })
}

test('a deny rule on all certificates but some denies who has none, or one without names', () => {
  const rule = { or: [{ client_certificate: { uri: { not: 'spiffe://mesh/api' } } }] }
  const nameless = { address: '192.0.2.1', certificate: { ...certificate, uriNames: [] } }
  assert.equal(denies(rule), true)
  assert.equal(denies(rule, { peer: nameless }), true)
  assert.equal(denies({ or: [{ client_certificate: { fingerprint } }] }), false)
  assert.equal(denies({ not: [{ client_certificate: { fingerprint } }] }), true)
})

test('a negative matcher admits no certificate without names', () => {
  const peer = { address: '192.0.2.1', certificate: { ...certificate, uriNames: [] } }
  assert.equal(matches({ client_certificate: { uri: { not: 'spiffe://mesh/api' } } }, { peer }), false)
})

const at = (text: string) => ({ nowMs: Date.parse(text) })
const times: [criterion: unknown, now: string, expected: boolean][] = [
  [{ date: { after: '2026-08-03T11:59:59' } }, '2026-08-03T12:00:00Z', true],
  [{ date: { after: '2026-08-03T12:00:00' } }, '2026-08-03T12:00:00Z', false],
  [{ date: { before: '2026-08-03T12:00:00' } }, '2026-08-03T12:00:00Z', false],
  [{ date: { before: '2026-08-03T12:00:00.001Z' } }, '2026-08-03T12:00:00Z', true],
  [{ date: { after: '2026-08-03' } }, '2026-08-03T00:00:00.001Z', true],
  [{ date: { after: '2026-08-03' } }, '2026-08-02T23:59:59Z', false],
  [{ date: { after: '2026-08-03T12:00+02:00' } }, '2026-08-03T10:00:01Z', true],
  [{ date: { after: '2026-01-01', before: '2027-01-01' } }, '2026-08-03T12:00:00Z', true],
  [{ date: { after: '2026-01-01', before: '2027-01-01' } }, '2027-08-03T12:00:00Z', false],
  [{ day_of_week: '*' }, '2026-08-03T12:00:00Z', true],
  [{ day_of_week: 'mon' }, '2026-08-03T00:00:00Z', true],
  [{ day_of_week: 'Monday' }, '2026-08-03T23:59:59Z', true],
  [{ day_of_week: 'mon' }, '2026-08-04T00:00:00Z', false],
  [{ day_of_week: 'tue-fri' }, '2026-08-03T12:00:00Z', false],
  [{ day_of_week: 'tue-fri' }, '2026-08-07T12:00:00Z', true],
  [{ day_of_week: 'sat-mon' }, '2026-08-03T12:00:00Z', true],
  [{ day_of_week: 'sat-mon' }, '2026-08-04T12:00:00Z', false],
  [{ day_of_week: 'wed, mon' }, '2026-08-03T12:00:00Z', true],
  [{ day_of_week: 'mon-mon' }, '2026-08-04T12:00:00Z', false],
  [{ day_of_week: 'thu' }, '1970-01-01T00:00:00Z', true],
  [{ time_of_day: { timezone: 'UTC', after: '2:20:00', before: '4:30PM' } }, '2026-08-03T12:00:00Z', true],
  [{ time_of_day: { timezone: 'UTC', after: '2:20:00', before: '4:30PM' } }, '2026-08-03T16:30:00Z', false],
  [{ time_of_day: { timezone: 'UTC', after: '2:20:00', before: '4:30PM' } }, '2026-08-03T16:29:59.9Z', true],
  [{ time_of_day: { timezone: 'UTC', after: '2:20:00', before: '4:30PM' } }, '2026-08-03T02:20:00Z', false],
  [{ time_of_day: { timezone: 'Europe/Berlin', after: '14:00' } }, '2026-08-03T12:00:00.001Z', true],
  [{ time_of_day: { timezone: 'Europe/Berlin', after: '14:00' } }, '2026-12-03T12:30:00Z', false],
  [{ time_of_day: { timezone: 'Asia/Kathmandu', before: '5:45 AM' } }, '2026-08-03T23:59:59Z', true],
  [{ time_of_day: { timezone: 'Asia/Kathmandu', before: '5:45 AM' } }, '2026-08-03T00:00:00Z', false],
  [{ time_of_day: { timezone: 'UTC', before: '12 AM' } }, '2026-08-03T00:00:00Z', false],
  [{ time_of_day: { timezone: 'UTC', before: '12PM' } }, '2026-08-03T11:59:00Z', true],
  [{ time_of_day: { timezone: 'UTC', after: '23:59:59.5' } }, '2026-08-03T23:59:59.600Z', true],
  [{ time_of_day: { timezone: 'UTC', after: '23:59:59.5' } }, '2026-08-03T23:59:59.400Z', false],
  [{ time_of_day: { timezone: 'UTC', after: '00:00' } }, '2026-08-03T00:00:00.001Z', true],
]
for (const [criterion, now, expected] of times) {
  test(`${JSON.stringify(criterion)} at ${now} is ${expected}`, () => {
    assert.equal(matches(criterion, at(now)), expected)
  })
}

test('one compiled time of day follows the clock from request to request', () => {
  const rule = { time_of_day: { timezone: 'Europe/Berlin', after: '14:00' } }
  const policy = sound({ policy: { allow: { and: [rule] } } })
  const answers = [
    '2026-08-03T11:59:59Z',
    '2026-08-03T12:00:01Z',
    '2026-08-03T11:59:59Z',
    '2026-12-03T12:00:01Z',
  ]
  assert.deepEqual(
    answers.map((now) => policy.evaluate(facts(at(now))).allowed),
    [false, true, false, false],
  )
})

test('a date without an offset is UTC, whatever the zone of the machine', () => {
  const before = process.env['TZ']
  process.env['TZ'] = 'America/New_York'
  try {
    assert.equal(matches({ date: { after: '2026-08-03T11:59' } }, at('2026-08-03T12:00:00Z')), true)
  } finally {
    if (before === undefined) delete process.env['TZ']
    else process.env['TZ'] = before
  }
})
