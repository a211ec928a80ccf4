// What is said about a criterion that does not exist, and about broken ones on who somebody is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile, facts } from './support.ts'

const identity = 'authenticated_user, user, email, domain, issuer, groups, claim'
const known = `accept, reject, cors_preflight, http_method, http_path, source_ip, client_certificate, date, day_of_week, time_of_day, ${identity}, original_user, chain`
const stringMatchers = 'is, not, contains, starts_with, ends_with, in, not_in'
const noList =
  'Must be one string, not a list: for several, use the matcher `in`, or several entries under `or`.'
const holds = 'It holds whatever is written behind it, also false: write true, or remove the entry.'
const cannot = (name: string, why: string) =>
  `The criterion "${name}" cannot be decided by a sidecar: ${why}.`

/** A criterion under `allow: or`, and the problem below it. */
const criteria: [criterion: unknown, where: string, message: string][] = [
  ['user', '', 'Must be an object with one criterion, as in {domain: example.com}, not a string.'],
  [null, '', 'Must be an object with one criterion, as in {domain: example.com}, not nothing.'],
  [{}, '', 'Must have exactly one criterion; this has 0. Begin each with its own dash.'],
  [
    { user: 'a', email: 'b' },
    '',
    'Must have exactly one criterion; this has 2. Begin each with its own dash.',
  ],
  [{ emial: 'a' }, '.emial', `"emial" is no criterion. Did you mean "email"? Known: ${known}.`],
  [{ method: 'GET' }, '.method', `"method" is no criterion. Did you mean "http_method"? Known: ${known}.`],
  [{ Domain: 'a' }, '.Domain', `"Domain" is no criterion. Did you mean "domain"? Known: ${known}.`],
  [{ xyzzyxyzzy: 'a' }, '.xyzzyxyzzy', `"xyzzyxyzzy" is no criterion. Known: ${known}.`],
  [
    { 'email/work': 'a' },
    '.email/work',
    'email takes no sub-path: write email: … (only claim has one, as in claim/family_name).',
  ],
  [
    { 'accept/': 1 },
    '.accept/',
    'accept takes no sub-path: write accept: … (only claim has one, as in claim/family_name).',
  ],
  [{ claim: 'Smith' }, '.claim', 'Must name the claim behind a slash, as in claim/family_name.'],
  [{ accept: false }, '.accept', holds],
  [{ authenticated_user: false }, '.authenticated_user', holds],
  [
    { device: { is: 'x' } },
    '.device',
    cannot('device', 'devices are enrolled with Pomerium, and no assertion tells of them'),
  ],
  [{ record: {} }, '.record', cannot('record', 'records live in the data sources of Pomerium Enterprise')],
  [{ rego: 'x' }, '.rego', cannot('rego', 'raw Rego is not evaluated; write the rule in PPL')],
  [
    { pomerium_routes: true },
    '.pomerium_routes',
    cannot('pomerium_routes', 'the paths under /.pomerium end at Pomerium and reach no sidecar'),
  ],
  [
    { invalid_client_certificate: true },
    '.invalid_client_certificate',
    cannot(
      'invalid_client_certificate',
      'Pomerium alone checks it; write client_certificate under `not` of a deny rule',
    ),
  ],
  [
    { mcp_tool: 'x' },
    '.mcp_tool',
    cannot('mcp_tool', 'the tool stands in the body, which a sidecar passes on unread'),
  ],
  [{ ssh_username: 'x' }, '.ssh_username', cannot('ssh_username', 'no SSH passes through a sidecar')],
  [{ ssh_publickey: 'x' }, '.ssh_publickey', cannot('ssh_publickey', 'no SSH passes through a sidecar')],

  [{ user: 5 }, '.user', 'Must be a string, not a number: put it in quotes.'],
  [{ user: true }, '.user', 'Must be a string, not true or false: put it in quotes.'],
  [{ user: null }, '.user', 'Must be a string, not nothing.'],
  [{ user: '' }, '.user', 'Must not be empty.'],
  [{ user: ['a'] }, '.user', noList],
  [{ user: { is: ['a'] } }, '.user.is', noList],
  [{ user: { is: {} } }, '.user.is', 'Must be a string, not an object.'],
  [{ user: {} }, '.user', `A string matcher needs one of ${stringMatchers}.`],
  [
    { user: { iss: 'a' } },
    '.user.iss',
    `"iss" is no string matcher. Did you mean "is"? Known: ${stringMatchers}.`,
  ],
  [
    { user: { start_with: 'a' } },
    '.user.start_with',
    `"start_with" is no string matcher. Did you mean "starts_with"? Known: ${stringMatchers}.`,
  ],
  [{ user: { in: 'a' } }, '.user.in', 'Must be a list of strings, not a string.'],
  [{ user: { in: [] } }, '.user.in', 'Must not be an empty list.'],
  [{ user: { not_in: ['a', 5] } }, '.user.not_in[1]', 'Must be a string, not a number: put it in quotes.'],
  [{ domain: { contains: '' } }, '.domain.contains', 'Must not be empty.'],
  [{ email: 5 }, '.email', 'Must be a string, not a number: put it in quotes.'],

  [
    { groups: ['a'] },
    '.groups',
    'Must be one value, not a list: for several, write one entry for each under `or`.',
  ],
  [{ groups: 5 }, '.groups', 'Must be a string, not a number: put it in quotes.'],
  [{ groups: '' }, '.groups', 'Must not be empty.'],
  [{ groups: {} }, '.groups', 'A list matcher needs one of has, is, exclude.'],
  [
    { groups: { hass: 'a' } },
    '.groups.hass',
    '"hass" is no list matcher. Did you mean "has"? Known: has, is, exclude.',
  ],
  [{ 'claim/a': { has: null } }, '.claim/a.has', 'Must be a string, not nothing.'],
  [
    { chain: { contains: 'a' } },
    '.chain.contains',
    '"contains" is no list matcher. Known: has, is, exclude.',
  ],
  [{ chain: 5 }, '.chain', 'Must be a string, not a number: put it in quotes.'],

  [
    { issuer: 'pomerum' },
    '.issuer',
    '"pomerum" is no issuer of this mesh file. Did you mean "pomerium"? Known: pomerium, partner, mesh.',
  ],
  [
    { issuer: { in: ['mesh', 'x'] } },
    '.issuer.in[1]',
    '"x" is no issuer of this mesh file. Known: pomerium, partner, mesh.',
  ],
  [
    { issuer: { not: 'x' } },
    '.issuer.not',
    '"x" is no issuer of this mesh file. Known: pomerium, partner, mesh.',
  ],
  [
    { original_user: 'alice' },
    '.original_user',
    'Must be an object of identity criteria, as in {email: alice@example.com}, not a string.',
  ],
  [{ original_user: {} }, '.original_user', `Needs at least one of ${identity}.`],
  [
    { original_user: { http_path: '/' } },
    '.original_user.http_path',
    `"http_path" is no identity criterion. Known: ${identity}.`,
  ],
  [
    { original_user: { usr: 'a' } },
    '.original_user.usr',
    `"usr" is no identity criterion. Did you mean "user"? Known: ${identity}.`,
  ],
  [
    { original_user: { 'user/x': 'a' } },
    '.original_user.user/x',
    'user takes no sub-path: write user: … (only claim has one, as in claim/family_name).',
  ],
  [
    { original_user: { user: 'a', email: { iz: 'x' } } },
    '.original_user.email.iz',
    `"iz" is no string matcher. Did you mean "is"? Known: ${stringMatchers}.`,
  ],
  [
    { original_user: { issuer: 'x' } },
    '.original_user.issuer',
    '"x" is no issuer of this mesh file. Known: pomerium, partner, mesh.',
  ],
]
for (const [criterion, where, message] of criteria) {
  test(`the criterion ${JSON.stringify(criterion)} is an error at its place`, () => {
    const { errors, policy } = compile({ policy: [{ allow: { or: [{ accept: true }, criterion] } }] })
    assert.deepEqual(errors, [`routes[0].policy[0].allow.or[1]${where}: ${message}`])
    assert.equal(policy.evaluate(facts()).allowed, false)
  })
}
