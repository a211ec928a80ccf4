// The schema of whose signatures count: issuers of assertions about users, this mesh, and others that it trusts.
import * as v from 'valibot'
import { parseNetwork } from '../network.ts'
import { parseAccount, parseSpiffeId, parseTrustDomain } from './account.ts'
import { choice, count, duration, fileName, flag, list, oneOrMany, parsed, section, text } from './fields.ts'
import { parseJwksSource } from './jwks-source.ts'
import { signatureAlgorithms } from './mesh.ts'

const account = parsed('A service account.', 'the name of an account', parseAccount)

const network = parsed('An IP address or network.', 'an IP network such as 10.0.0.0/8', (given) => {
  const value = parseNetwork(given)
  return value === undefined
    ? { fault: 'must be an IP address, or a network without bits beyond its prefix, such as 10.0.0.0/8' }
    : { value }
})

const edges = section("Who may present a user's token as the caller's own; everyone where this is missing.", {
  client_certificate: v.optional(
    list(
      'SPIFFE ids of the certificates that edges show in mutual TLS, certified by `mesh.ca` or the `ca` of one of `mesh.trust`.',
      parsed('A SPIFFE id.', 'a SPIFFE id such as spiffe://mesh.example.com/edge', parseSpiffeId),
    ),
  ),
  source_ip: v.optional(list('Networks that edges connect from.', network, 'a list of IP networks')),
})

export const issuerSchema = section('Who may sign assertions about users: a Pomerium.', {
  name: v.optional(text('The name by which policies know it. Default: its position, from 1.')),
  issuer: oneOrMany(
    'The `iss` that is accepted, or a list: exact strings, `hostOnly` (the host of `aud`) and `uri` (https://<aud>/). For Pomerium since v0.22 write [hostOnly, uri].',
    text('An exact `iss`, `hostOnly` or `uri`.'),
    'an issuer',
  ),
  jwks: parsed(
    'Where its keys are: an https URL (http on loopback only) or a file.',
    'a URL or the name of a file',
    parseJwksSource,
    { examples: ['https://authenticate.example.com/.well-known/pomerium/jwks.json'] },
  ),
  jwks_from: v.optional(
    list(
      "Accounts whose signature on this issuer's keys in the store is trusted, for pods that cannot reach the issuer. Default: none.",
      account,
    ),
  ),
  ca: v.optional(fileName("PEM file of the issuer's private CA. Default: the system's CAs.")),
  algorithms: v.optional(
    v.pipe(
      list('Signature algorithms that are accepted.', choice('An algorithm.', signatureAlgorithms)),
      v.nonEmpty('names no algorithm; remove it for the default'),
    ),
    ['ES256', 'RS256'],
  ),
  service_accounts: v.optional(
    list(
      'Subjects of this issuer that are service accounts, since an assertion does not say so.',
      text('A subject.'),
    ),
    [],
  ),
  edges: v.optional(edges),
  single_use: v.optional(flag("Accepts a `jti` once per pod as the caller's own assertion."), false),
})

const trusted = section('Another mesh whose service accounts may call.', {
  issuer: parsed(
    'The `iss` of its assertions and the trust domain of its SPIFFE ids.',
    'a name',
    parseTrustDomain,
  ),
  ca: fileName('PEM file of its certificate authorities.'),
  accounts: list('Its accounts that may call.', account, 'a list of accounts'),
})

export const meshSchema = section('This mesh: what its sidecars sign, and whose signatures they accept.', {
  issuer: v.optional(
    parsed(
      "The `iss` of the assertions that sidecars mint, and the trust domain of their SPIFFE ids. Equal to no issuer and no route's host.",
      'a name such as mesh.example.com',
      parseTrustDomain,
    ),
  ),
  ca: v.optional(fileName("PEM file of who may certify a service account's key; several roots allowed.")),
  trust: v.optional(list('Further meshes whose accounts may call.', trusted), []),
  evidence: v.optional(
    choice(
      'The signed links of the hops passed: `off` (neither sent nor read), `verify` (needed beside an original user where a mesh minted the assertion), `require` (beside every original user).',
      ['off', 'verify', 'require'],
    ),
    'verify',
  ),
  tls: v.optional(
    choice(
      'TLS inbound, with the certificate of the account: `off` (clear text alone), `permissive` (both), `strict` (mutual TLS alone, from accounts and edges).',
      ['off', 'permissive', 'strict'],
    ),
    'permissive',
  ),
  max_hops: v.optional(
    v.pipe(
      count('The most hops that evidence may have, up to 32.'),
      v.minValue(1, 'must be at least 1'),
      v.maxValue(32, 'must be at most 32: each is a signature to verify, in one header'),
    ),
    8,
  ),
  original_user_grace: v.optional(
    duration(
      "For how long an original user's token that expired on the way is accepted, where evidence shows that it was valid when the user came in.",
    ),
    '0s',
  ),
})

export type IssuerEntry = v.InferOutput<typeof issuerSchema>
