// What is said about broken criteria on the request, its connection and its time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile, facts } from './support.ts'

const date = 'Must be an ISO 8601 date such as 2030-01-31 or 2030-01-31T16:20:00Z.'
const time = 'Must be a time such as "15:04", "15:04:05", "3PM", "3:04 PM", in quotes.'
const days = 'Must be *, days (mon,wed,fri) or a range of days (mon-fri)'
const neverHolds =
  'Never holds, since after does not lie before before. For a span over midnight write two entries under `or`: one with after, one with before.'
const network =
  'Must be an IP address or a CIDR range without bits beyond its prefix, such as 10.1.2.3 or 10.0.0.0/8.'
const print =
  'Must be a SHA-256 fingerprint in quotes: 64 hex digits in lower case, or 32 pairs in upper case with colons.'
const spki = 'Must be the base64 of a SHA-256 hash of the public key info (44 characters).'
const zone = 'the name of a time zone such as Europe/Berlin or UTC'
const never =
  'Never matches: a path with //, dot segments, backslashes, #, or escapes of them is refused before rules are asked. Write it plainly'

/** A criterion under `allow: or`, and the problem below it. */
const criteria: [criterion: unknown, where: string, message: string][] = [
  [{ http_method: 'delete' }, '.http_method', 'Methods are case-sensitive: write DELETE.'],
  [
    { http_method: { not_in: ['GET', 'Post'] } },
    '.http_method.not_in[1]',
    'Methods are case-sensitive: write POST.',
  ],
  [{ http_path: 'admin' }, '.http_path', 'Paths begin with a slash.'],
  [{ http_path: { starts_with: 'admin' } }, '.http_path.starts_with', 'Paths begin with a slash.'],
  [{ http_path: '/a?b=c' }, '.http_path', 'The query is no part of the path: leave out ? and what follows.'],
  [{ http_path: '/a/../b' }, '.http_path', `${never}, as /b.`],
  [{ http_path: { in: ['/ok', '/a//b'] } }, '.http_path.in[1]', `${never}, as /a/b.`],
  [{ http_path: { starts_with: '/a%2fb' } }, '.http_path.starts_with', `${never}.`],
  [{ http_path: { ends_with: '\\x' } }, '.http_path.ends_with', `${never}.`],
  [{ http_path: { contains: '//' } }, '.http_path.contains', `${never}, as /.`],
  [{ http_path: { contains: '100%' } }, '.http_path.contains', `${never}.`],

  [{ source_ip: '10.0.0.1/8' }, '.source_ip', network],
  [{ source_ip: 5 }, '.source_ip', network],
  [{ source_ip: ['10.0.0.0/8', 'x'] }, '.source_ip[1]', network],
  [{ source_ip: [] }, '.source_ip', 'Must not be an empty list.'],
  [
    { client_certificate: 'x' },
    '.client_certificate',
    'Must be an object with fingerprint, spki_hash, san_uri, uri, not a string.',
  ],
  [{ client_certificate: {} }, '.client_certificate', 'Needs one of fingerprint, spki_hash, san_uri, uri.'],
  [
    { client_certificate: { fingerprnt: 'x' } },
    '.client_certificate.fingerprnt',
    '"fingerprnt" is no certificate matcher. Did you mean "fingerprint"? Known: fingerprint, spki_hash, san_uri, uri.',
  ],
  [
    { client_certificate: { san_dns: 'x' } },
    '.client_certificate.san_dns',
    "san_dns cannot be decided here: of a certificate's names, a sidecar reads URIs only. Write uri.",
  ],
  [
    { client_certificate: { san_email: 'x' } },
    '.client_certificate.san_email',
    "san_email cannot be decided here: of a certificate's names, a sidecar reads URIs only. Write uri.",
  ],
  [{ client_certificate: { fingerprint: 'AB' } }, '.client_certificate.fingerprint', print],
  [{ client_certificate: { fingerprint: [1] } }, '.client_certificate.fingerprint[0]', print],
  [{ client_certificate: { spki_hash: 'AB' } }, '.client_certificate.spki_hash', spki],
  [{ client_certificate: { spki_hash: ['x'] } }, '.client_certificate.spki_hash[0]', spki],
  [
    { client_certificate: { uri: 5 } },
    '.client_certificate.uri',
    'Must be a string, not a number: put it in quotes.',
  ],

  [{ date: 'x' }, '.date', 'Must be an object with after, before or both, not a string.'],
  [{ date: {} }, '.date', 'Needs after, before or both.'],
  [{ date: { after: '2026-02-31' } }, '.date.after', date],
  [{ date: { after: '2026-02-03 10:00' } }, '.date.after', date],
  [{ date: { before: '2026-02-03T25:00' } }, '.date.before', date],
  [{ date: { before: 2026 } }, '.date.before', date],
  [
    { date: { afer: '2026-02-03', before: '2026-02-03' } },
    '.date.afer',
    '"afer" is no key here. Did you mean "after"? Known: after, before.',
  ],
  [{ date: { after: '2026-02-03', before: '2026-02-03' } }, '.date', neverHolds],
  [{ day_of_week: 5 }, '.day_of_week', `${days}, not a number.`],
  [{ day_of_week: 'mo' }, '.day_of_week', `${days}, in English, whole or the first three letters.`],
  [{ day_of_week: 'mon-wed-fri' }, '.day_of_week', `${days}, in English, whole or the first three letters.`],
  [{ day_of_week: 'mon-' }, '.day_of_week', `${days}, in English, whole or the first three letters.`],
  [{ time_of_day: '10:00' }, '.time_of_day', 'Must be an object with after, before or both, not a string.'],
  [{ time_of_day: { timezone: 'UTC' } }, '.time_of_day', 'Needs after, before or both.'],
  [{ time_of_day: { after: '10:00' } }, '.time_of_day', `Needs timezone, ${zone}.`],
  [
    { time_of_day: { timezone: 5, after: '10:00' } },
    '.time_of_day.timezone',
    `Must be ${zone}, not a number.`,
  ],
  [
    { time_of_day: { timezone: 'Nowhere', after: '10:00' } },
    '.time_of_day.timezone',
    `Must be ${zone}; this one is not known.`,
  ],
  [{ time_of_day: { timezone: 'UTC', after: '24:00' } }, '.time_of_day.after', time],
  [{ time_of_day: { timezone: 'UTC', after: '13 PM' } }, '.time_of_day.after', time],
  [{ time_of_day: { timezone: 'UTC', after: '0 AM' } }, '.time_of_day.after', time],
  [{ time_of_day: { timezone: 'UTC', after: '10' } }, '.time_of_day.after', time],
  [{ time_of_day: { timezone: 'UTC', before: 930 } }, '.time_of_day.before', time],
  [{ time_of_day: { timezone: 'UTC', after: '22:00', before: '6:00' } }, '.time_of_day', neverHolds],
]
for (const [criterion, where, message] of criteria) {
  test(`the criterion ${JSON.stringify(criterion)} is an error at its place`, () => {
    const { errors, policy } = compile({ policy: [{ allow: { or: [{ accept: true }, criterion] } }] })
    assert.deepEqual(errors, [`routes[0].policy[0].allow.or[1]${where}: ${message}`])
    assert.equal(policy.evaluate(facts()).allowed, false)
  })
}
