// The schema of the mesh file: every key, with the words that become the reference and editors' completion.
import * as v from 'valibot'
import {
  choice,
  count,
  duration,
  expected,
  fileName,
  list,
  listenAddresses,
  mapOf,
  origin,
  section,
  size,
  text,
} from './fields.ts'
import { routesSchema } from './route-schema.ts'
import { storeSchema } from './store-schema.ts'
import { issuerSchema, meshSchema } from './trust-schema.ts'

const limits = section('What a sidecar takes at most; 0 means no limit.', {
  header_bytes: v.optional(size('Bytes of all headers of a request.'), '32KiB'),
  headers: v.optional(count('Headers of a request.'), 100),
  body_bytes: v.optional(size('Bytes of the body of a request.'), 0),
  connections: v.optional(
    count(
      'Open connections, per listener. A tenth more is for addresses that hold less than a hundredth of them.',
    ),
    10_000,
  ),
  concurrent_requests: v.optional(
    count('Requests under way. A tenth more is for addresses that hold less than a hundredth of them.'),
    1000,
  ),
  queue_delay: v.optional(
    duration(
      'How much work may wait for the sidecar, in its own CPU time; where turn after turn brings more, load is shed. 0s: never.',
    ),
    '50ms',
  ),
  session_bytes: v.optional(size('Memory for the sessions that outbound calls refer to.'), '64MiB'),
})

const timeouts = section('How long a sidecar waits; 0s means for ever.', {
  headers: v.optional(duration('For the headers of a request.'), '10s'),
  idle: v.optional(duration('For traffic on an open connection.'), '5m'),
  connect: v.optional(duration('For a connection to the upstream.'), '5s'),
  response: v.optional(duration('For the headers of a response.'), '0s'),
  drain: v.optional(duration('For requests under way after SIGTERM.'), '30s'),
  drain_delay: v.optional(duration('How long idle connections stay open after SIGTERM.'), '0s'),
  linger: v.optional(duration('How long a session lives on after its request.'), '30s'),
})

const log = section('What is written to standard error.', {
  level: v.optional(
    choice('The least severity that is written.', ['debug', 'info', 'warn', 'error']),
    'info',
  ),
  format: v.optional(
    choice('`auto` is text on a terminal and JSON elsewhere.', ['auto', 'json', 'text']),
    'auto',
  ),
  access: v.optional(choice('A line for each request, in this format.', ['off', 'json', 'text']), 'off'),
  lines_per_second: v.optional(
    count(
      'Lines of one kind (message and code) in a second; what is beyond is left out and counted. 0: no limit.',
    ),
    100,
  ),
})

const telemetry = section(
  'What logs, audit and traces say of users. Where traces go, OTEL_* variables say.',
  {
    users: v.optional(
      choice(
        '`pseudonym`: a keyed hash of issuer and subject; `plain`: the subject itself. Service accounts are plain always.',
        ['pseudonym', 'plain'],
      ),
      'pseudonym',
    ),
    pseudonym_key_file: v.optional(
      fileName(
        'File with a secret of 32 characters or more. The same at all sidecars, a user has one pseudonym in all of them; without it each has one of its own for each start.',
      ),
    ),
  },
)

const audit = section('A line of JSON for each decision, in a stream of its own.', {
  to: v.optional(choice('Where the lines go.', ['off', 'stdout', 'stderr', 'file']), 'off'),
  file: v.optional(
    fileName('The file, for `to: file`; lines are added at its end, and SIGHUP opens it anew.'),
  ),
})

const streams = section('What ends a connection that outlives its decision, such as a WebSocket.', {
  end_at: v.optional(
    choice(
      "`expiry` of the user's assertion (with 60 s of skew) or a revocation before, `revocation`, or `never`.",
      ['expiry', 'revocation', 'never'],
    ),
    'revocation',
  ),
})

const egress = section('Calls of the app that no route names.', {
  unlisted: v.optional(
    choice('Hosts that no route names; they get no identity.', ['allow', 'deny']),
    'allow',
  ),
  local: v.optional(
    choice('Loopback, link-local and own addresses, and the metadata services of clouds over IPv6.', [
      'allow',
      'deny',
    ]),
    'deny',
  ),
})

const claim = text('The name of a claim.')

const claimHeaders = v.pipe(
  v.union(
    [
      text('Claims, separated by commas or spaces.'),
      list('Claims; each goes into x-pomerium-claim-<claim>.', claim),
      mapOf('Header to claim.', claim),
    ],
    expected('a map of header to claim, or a list of claims'),
  ),
  v.metadata({
    description:
      'Claims that the app gets as headers, beside x-pomerium-authenticated-user-id, -email and -groups: a map of header to claim, or claims whose header is x-pomerium-claim-<claim>.',
  }),
)

const port = v.pipe(
  count('A port.'),
  v.minValue(1, 'must be a port from 1 to 65535'),
  v.maxValue(65_535, 'must be a port from 1 to 65535'),
)

/** What stands at the top of the file, and again in a service's entry, where it wins. */
export const settingEntries = {
  issuers: v.optional(list('Who may sign assertions about users.', issuerSchema, 'a list of issuers')),
  mesh: v.optional(meshSchema, {}),
  limits: v.optional(limits, {}),
  timeouts: v.optional(timeouts, {}),
  log: v.optional(log, {}),
  telemetry: v.optional(telemetry, {}),
  audit: v.optional(audit, {}),
  streams: v.optional(streams, {}),
  mode: v.optional(
    choice(
      '`enforce`; or `report`: decide and record, but let through, with every unverified identity removed.',
      ['enforce', 'report'],
    ),
    'enforce',
  ),
  egress: v.optional(egress, {}),
  store: v.optional(storeSchema, 'memory'),
  jwt_claims_headers: v.optional(claimHeaders),
  admin_token_file: v.optional(
    fileName('File with the token that the admin listener asks for. Default: one in the run directory.'),
  ),
  passthrough_ports: v.optional(
    list('Inbound ports whose traffic passes unverified. Not served by this release.', port),
    [],
  ),
  revocation_max_age: v.optional(
    duration('Refuses requests (503) when revocations were not heard of for so long; 0s: never.'),
    '0s',
  ),
}

const credential = section('What this sidecar attaches to calls.', {
  certificate: v.optional(
    fileName(
      "PEM file with the service account's certificate and chain: signs assertions, serves mutual TLS.",
    ),
  ),
  key: v.optional(fileName('PEM file with its private key.')),
  token_file: v.optional(
    fileName("File with Pomerium's token of the service account, for routes with `via: pomerium`."),
  ),
})

const listen = section('The addresses that this sidecar listens on: one, or a list.', {
  inbound: v.optional(listenAddresses('For callers of the service.'), '0.0.0.0:15006'),
  outbound: v.optional(listenAddresses("For the app's own calls; loopback only."), '127.0.0.1:15001'),
  admin: v.optional(
    listenAddresses('For the inspector and the command line; loopback only.'),
    '127.0.0.1:15000',
  ),
  probes: v.optional(listenAddresses('For /ready, /livez and /metrics.'), '0.0.0.0:15021'),
})

/** What only a service's entry has. */
export const serviceEntries = {
  app: v.optional(origin('The application beside the sidecar.', 'http://127.0.0.1:8080')),
  ports: v.optional(
    mapOf(
      'The application for each inbound port, where it differs from `app`.',
      origin('The application behind this port.', 'http://127.0.0.1:8080'),
    ),
    {},
  ),
  credential: v.optional(credential, {}),
  calls: v.optional(
    list(
      'Routes that it may call with identity. Default: all.',
      text('The name of a route.'),
      'a list of route names',
    ),
  ),
  share_with: v.optional(
    list(
      'Services whose sidecars may redeem its sessions, for work that goes through a queue; its own name for its own pods alone. Default: sessions stay in the sidecar.',
      text('A service.'),
    ),
    [],
  ),
  listen: v.optional(listen, {}),
}

const service = section('What differs for this service: its own keys, and any key of the top but routes.', {
  ...serviceEntries,
  ...settingEntries,
})

/** All that holds for one service: the top of the file, its own entry and the overrides, merged. */
export const effectiveSchema = section('The settings of one service.', {
  ...serviceEntries,
  ...settingEntries,
})
export type EffectiveSettings = v.InferOutput<typeof effectiveSchema>

/** The whole file. */
export const meshFileSchema = section('An Onbehalf mesh file: the whole mesh, for all of its sidecars.', {
  routes: routesSchema,
  services: v.optional(
    mapOf('What differs from service to service, by the name of the service.', service),
    {},
  ),
  ...settingEntries,
})
