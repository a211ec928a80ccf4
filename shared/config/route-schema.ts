// The schema of a route: Pomerium's own form, and what we add to it.
import * as v from 'valibot'
import { parseAccount } from './account.ts'
import {
  choice,
  duration,
  expected,
  fileName,
  flag,
  host,
  list,
  oneOrMany,
  origin,
  parsed,
  section,
  text,
} from './fields.ts'
import { haveOneScheme, haveWeightsOrNone, parseUpstream } from './upstreams.ts'
import { ignoredPomeriumKeys, refusedPomeriumKeys } from './pomerium-keys.ts'

/** Checked by the compiler of policies, which knows better words; the hints are for editors alone. */
function policyPart(about: string, hints: Readonly<Record<string, unknown>>) {
  return v.optional(v.pipe(v.unknown(), v.metadata({ description: about, ...hints })))
}

const textList = { type: 'array', items: { type: 'string' } }

/** What decides who is admitted, in Pomerium's words. */
const policyEntries = {
  policy: policyPart("Who is admitted: rules of Pomerium's policy language (PPL).", {}),
  allowed_users: policyPart('Shorthand: users, by id or email address, that are admitted.', textList),
  allowed_domains: policyPart('Shorthand: users whose email address has one of these domains.', textList),
  allowed_groups: policyPart('Shorthand: users that are in one of these groups.', textList),
  allowed_idp_claims: policyPart('Shorthand: users with one of the values of these claims.', {
    type: 'object',
  }),
  allow_any_authenticated_user: policyPart('Shorthand: every authenticated caller.', { type: 'boolean' }),
  allow_public_unauthenticated_access: policyPart('Everyone, with or without an assertion.', {
    type: 'boolean',
  }),
  cors_allow_preflight: policyPart('Admits CORS preflight requests without an assertion.', {
    type: 'boolean',
  }),
}

function unserved(keys: Readonly<Record<string, string>>) {
  return Object.entries(keys).map(([key, word]) => {
    const about = `A key of Pomerium. It ${word}.`
    return [
      key,
      v.optional(v.pipe(v.unknown(), v.metadata({ description: about, deprecated: true }))),
    ] as const
  })
}

function anyText(about: string) {
  return v.pipe(v.string(expected('a text')), v.metadata({ description: about }))
}

function headerFields(about: string) {
  return v.pipe(
    v.record(v.string(), v.string(expected('a text')), expected('a map of names to values')),
    v.metadata({ description: about }),
  )
}

const upstream = parsed('An http or https URL, with its weight behind a comma.', 'a URL', parseUpstream)

export const routeSchema = section('A route: one host, or a part of its paths, of one service.', {
  name: text('The name of the route, unique in this file; `calls` and `accept_for` refer to it.'),
  from: origin(
    'The URL under which callers know it. Its host is the `aud` of assertions.',
    'https://app.example.com',
  ),
  to: v.pipe(
    oneOrMany(
      'The URL at which its sidecar (or the service itself) is reached. Of a list: the address with the fewest requests, or as the weights behind the URLs say.',
      upstream,
      'a URL',
    ),
    v.nonEmpty('names no URL; write one'),
    v.check(
      haveOneScheme,
      'has URLs of different schemes; whether calls are in TLS must not be left to chance',
    ),
    v.check(
      haveWeightsOrNone,
      'has weights behind some URLs and not behind others; give all of them one, or none',
    ),
  ),
  prefix: v.optional(text('Takes only paths that begin with this.')),
  path: v.optional(text('Takes only this path.')),
  regex: v.optional(text('Takes only paths that match this whole (RE2 syntax).')),
  tls_server_name: v.optional(
    host('Whom to ask for in TLS, and whose certificate it must be. Default: the host of `to`.'),
  ),
  tls_upstream_server_name: v.optional(host('The same as `tls_server_name`, and counts before it.')),
  tls_custom_ca_file: v.optional(
    fileName(
      "PEM file of the authorities that count for `to` in place of the system's. A service that has an account shows that instead.",
    ),
  ),
  pass_identity_headers: v.optional(flag('Gives the identity headers to the app.'), false),
  timeout: v.optional(
    duration(
      'How long a whole answer may take, where a call goes straight to `to`. Default: `timeouts.response`, for its begin.',
    ),
  ),
  idle_timeout: v.optional(duration('In place of `timeouts.idle`, where a call goes straight to `to`.')),
  prefix_rewrite: v.optional(text('What becomes of the prefix, or of the path, that the route takes.')),
  regex_rewrite_pattern: v.optional(text('What of the path is rewritten; it begins with ^ (RE2 syntax).')),
  regex_rewrite_substitution: v.optional(text('What it becomes, with \\1 for its first group.')),
  preserve_host_header: v.optional(flag('Sidecars always do, but for `host_rewrite` and the like.')),
  host_rewrite: v.optional(text('The Host with which calls are made.')),
  host_rewrite_header: v.optional(text('The header of a call whose value becomes its Host.')),
  host_path_regex_rewrite_pattern: v.optional(
    text('What of the path becomes the Host; it begins with ^ (RE2 syntax).'),
  ),
  host_path_regex_rewrite_substitution: v.optional(
    text('The Host, with \\1 for the first group of the pattern.'),
  ),
  set_request_headers: v.optional(
    headerFields('Headers that calls get, in place of those of the same name.'),
  ),
  remove_request_headers: v.optional(list('Headers that calls lose.', text('The name of a header.'))),
  set_response_headers: v.optional(
    headerFields('Headers that answers get, in place of those of the same name.'),
  ),
  rewrite_response_headers: v.optional(
    list(
      'Headers of answers whose beginning is replaced.',
      section('A rule.', {
        header: text('The name of the header.'),
        prefix: v.optional(anyText('What its value begins with. Default: nothing.')),
        value: anyText('What becomes of that.'),
      }),
    ),
  ),
  ...policyEntries,

  service: v.optional(
    text('The service whose route it is, where one has several. Default: the name of the route.'),
  ),
  account: v.optional(
    oneOrMany(
      'The service account, or a list of them, under which this service calls others.',
      parsed('A service account.', 'the name of an account', parseAccount),
      'the name of an account',
    ),
    [],
  ),
  aliases: v.optional(list('Other hosts under which apps call it.', host('A host name, without port.')), []),
  via: v.optional(
    choice('How calls go: `mesh`, straight to `to`; `pomerium`, through the Pomerium at `from`.', [
      'mesh',
      'pomerium',
    ]),
    'mesh',
  ),
  token_form: v.optional(
    choice(
      'How a call via Pomerium carries its token: `header` (X-Pomerium-Authorization), `authorization` (Authorization: Pomerium …) or `bearer` (Authorization: Bearer Pomerium-…).',
      ['header', 'authorization', 'bearer'],
    ),
    'header',
  ),
  original_user: v.optional(
    choice(
      'Whether calls carry the original user: `required`; `explicit`, only as the app itself names it; `optional`; `none`.',
      ['required', 'explicit', 'optional', 'none'],
    ),
    'optional',
  ),
  accept_for: v.optional(
    list(
      'Entry routes whose users are accepted here. Default: every route of this file.',
      text('The name of a route.'),
    ),
  ),
  ...(Object.fromEntries([...unserved(ignoredPomeriumKeys), ...unserved(refusedPomeriumKeys)]) as object),
})

export type RouteEntry = v.InferOutput<typeof routeSchema>

export const routesSchema = v.pipe(
  v.array(routeSchema, expected('a list of routes')),
  v.metadata({
    description:
      "All routes of the mesh, in Pomerium's own form. Of a host, the first that matches is taken.",
  }),
  v.nonEmpty('names no route; a mesh has at least one'),
)
