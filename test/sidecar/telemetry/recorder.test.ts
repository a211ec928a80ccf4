// All that is seen of a decision is derived from its one record.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from '../../../shared/decision.ts'
import type { Ending } from '../../../sidecar/telemetry/ending.ts'
import type { LogLevel, Mesh } from '../../../shared/config/mesh.ts'
import { createLog } from '../../../sidecar/telemetry/log.ts'
import { noAudit } from '../../../sidecar/telemetry/audit.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'
import { Traffic } from '../../../sidecar/telemetry/traffic.ts'
import { createPseudonyms, plainNaming, type Naming } from '../../../shared/pseudonyms.ts'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { Recorder } from '../../../sidecar/telemetry/recorder.ts'
import { clockMs } from '../../support/certificates.ts'
import { meshOf } from '../../support/tokens.ts'

const allowed: Decision = {
  requestId: 'r1',
  traceId: undefined,
  spanId: undefined,
  isSampled: undefined,
  direction: 'inbound',
  atMs: clockMs,
  service: 'API',
  mode: 'enforce',
  outcome: 'allowed',
  code: undefined,
  detail: undefined,
  reason: 'allow[0].or user',
  method: 'GET',
  protocol: { scheme: 'http', version: '1.1' },
  host: 'api.example.com',
  port: undefined,
  path: '/a',
  route: 'API',
  peer: '192.0.2.7',
  certificate: undefined,
  caller: { issuer: 'mesh', subject: 'api-access', kind: 'service_account' },
  originalUser: { issuer: 'pomerium', subject: 'alice', kind: 'user' },
  chain: undefined,
  txn: undefined,
  cause: undefined,
  source: undefined,
  sources: undefined,
}
const refused: Decision = {
  ...allowed,
  outcome: 'refused',
  code: 'policy_denied',
  reason: 'The policy does not allow this.',
}

/** Of one edge, after it was counted once. */
function edgeAfter(decision: Decision, ending: Ending) {
  const traffic = new Traffic(() => meshOf())
  traffic.count(decision, ending)
  const [edge] = traffic.edges()
  return edge && { refused: edge.refused, failed: edge.failed }
}

test('what passes as bytes has failed only where it is said why, a request also without an answer', () => {
  const bytes: Decision = { ...allowed, direction: 'outbound', protocol: undefined, route: undefined }
  const unanswered = { status: undefined, durationMs: 1 }
  assert.deepEqual(edgeAfter(bytes, unanswered), { refused: 0, failed: 0 })
  assert.deepEqual(edgeAfter(bytes, { ...unanswered, code: 'request_malformed' }), { refused: 0, failed: 1 })
  assert.deepEqual(edgeAfter(allowed, unanswered), { refused: 0, failed: 1 })
})

function makeRecorder(
  level: LogLevel = 'info',
  access: Mesh['log']['access'] = 'off',
  naming: Naming = plainNaming,
) {
  const lines: string[] = []
  const output = { write: (text: string) => lines.push(text) }
  const metrics = new Metrics()
  const log = createLog({ level, format: 'json', access, linesPerSecond: 0 }, output, () => clockMs)
  const audited: Decision[] = []
  const recorder = new Recorder({
    log,
    metrics,
    access: () => access,
    output,
    naming: () => naming,
    audit: { ...noAudit, write: (decision) => audited.push(decision) },
    traffic: new Traffic(() => meshOf()),
  })
  const samples = (...names: readonly string[]) =>
    formatPrometheus(metrics.instruments)
      .split('\n')
      .filter((line) => names.some((name) => line.startsWith(`${name}{`) || line.startsWith(`${name} `)))
  return {
    recorder,
    audited,
    lines,
    samples,
    logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

const numbered = (i: number): Decision => ({ ...allowed, requestId: String(i) })
const idsOf = (decisions: readonly Decision[]) => decisions.map(({ requestId }) => Number(requestId))

test('an error of our own is counted, and logged with the place where it was thrown', () => {
  const { recorder, samples, lines } = makeRecorder()
  recorder.fault('connection', new TypeError('it is not there'))
  const [line = ''] = lines
  const { level, ended, cause, stack } = JSON.parse(line) as Record<string, string>
  assert.deepEqual({ level, ended, cause }, { level: 'error', ended: 'connection', cause: 'it is not there' })
  assert.match(stack ?? '', /^at .*recorder\.test\.ts:\d+/)
  assert.deepEqual(samples('onbehalf_internal_errors_total'), [
    'onbehalf_internal_errors_total{ended="connection"} 1',
  ])
})

test('at first there is no decision', () => assert.deepEqual(makeRecorder().recorder.recent(), []))

for (const count of [1, 2, 999, 1_000, 1_001, 1_500, 2_000, 2_345]) {
  test(`after ${count} decisions the last ones are there, at most 1000, newest first`, () => {
    const { recorder } = makeRecorder()
    for (let i = 0; i < count; i++) recorder.decided(numbered(i))
    const expected = Array.from({ length: Math.min(count, 1_000) }, (_, i) => count - 1 - i)
    assert.deepEqual(idsOf(recorder.recent()), expected)
  })
}

test('the very record is kept', () => {
  const { recorder } = makeRecorder()
  recorder.decided(allowed)
  assert.equal(recorder.recent()[0], allowed)
})

test('a refusal is logged as a warning, with its code and without a token', () => {
  const { recorder, logged } = makeRecorder()
  recorder.decided(refused)
  const [line] = logged()
  assert.equal(line?.['level'], 'warn')
  assert.equal(line?.['code'], 'policy_denied')
  assert.equal(line?.['caller'], 'mesh/api-access')
  assert.equal(line?.['original_user'], 'pomerium/alice')
})

test('what is allowed is logged for debugging only', () => {
  const quiet = makeRecorder()
  quiet.recorder.decided(allowed)
  assert.deepEqual(quiet.lines, [])
  const loud = makeRecorder('debug')
  loud.recorder.decided(allowed)
  assert.equal(loud.logged()[0]?.['outcome'], 'allowed')
})

test('report mode shows in the log', () => {
  const { recorder, logged } = makeRecorder()
  recorder.decided({ ...refused, mode: 'report' })
  recorder.decided(refused)
  assert.deepEqual(
    logged().map(({ mode }) => mode),
    ['report', undefined],
  )
})

test('decisions are counted by what is not the client’s to choose', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.decided(allowed)
  recorder.decided({ ...allowed, path: '/b', host: 'x', method: 'PUT', peer: '::1', requestId: 'r2' })
  recorder.decided(refused)
  const call = { ...allowed, direction: 'outbound', sources: [] } as const
  recorder.decided({ ...call, cause: 'user', source: 'handle' })
  recorder.decided({ ...call, cause: 'none', source: 'none' })
  const ended = { name: 'tracestate', says: 'ended', user: undefined, requestId: undefined } as const
  const lost = { ...refused, ...call, outcome: 'refused', sources: [ended] } as const
  recorder.decided({ ...lost, code: 'original_user_lost' })
  recorder.decided({ ...lost, code: 'original_user_ambiguous' })
  // A call that nobody asked about is none of a route.
  recorder.decided({ ...call, sources: undefined })
  const counted = samples(
    'onbehalf_decisions_total',
    'onbehalf_outbound_calls_total',
    'onbehalf_evidence_total',
  )
  assert.deepEqual(counted, [
    'onbehalf_decisions_total{direction="inbound",outcome="allowed",code="",route="API",mode="enforce"} 2',
    'onbehalf_decisions_total{direction="inbound",outcome="refused",code="policy_denied",route="API",mode="enforce"} 1',
    'onbehalf_decisions_total{direction="outbound",outcome="allowed",code="",route="API",mode="enforce"} 3',
    'onbehalf_decisions_total{direction="outbound",outcome="refused",code="original_user_lost",route="API",mode="enforce"} 1',
    'onbehalf_decisions_total{direction="outbound",outcome="refused",code="original_user_ambiguous",route="API",mode="enforce"} 1',
    'onbehalf_outbound_calls_total{cause="user",source="handle",outcome="allowed",route="API"} 1',
    'onbehalf_outbound_calls_total{cause="none",source="none",outcome="allowed",route="API"} 1',
    'onbehalf_outbound_calls_total{cause="lost",source="tracestate",outcome="refused",route="API"} 1',
    'onbehalf_outbound_calls_total{cause="ambiguous",source="tracestate",outcome="refused",route="API"} 1',
    'onbehalf_evidence_total{result="none",route="API",mode="enforce"} 3',
  ])
})

test('what became of evidence is counted for requests on behalf of a user', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.decided({ ...allowed, chain: ['api-access'], txn: 't' })
  recorder.decided(allowed)
  for (const code of ['evidence_missing', 'evidence_invalid'] as const) {
    recorder.decided({ ...refused, code, originalUser: undefined })
  }
  // No evidence is spoken of.
  recorder.decided({ ...allowed, originalUser: undefined })
  recorder.decided({ ...allowed, direction: 'outbound', chain: ['api-access'] })
  assert.deepEqual(
    samples('onbehalf_evidence_total'),
    ['verified', 'none', 'missing', 'invalid'].map(
      (result) => `onbehalf_evidence_total{result="${result}",route="API",mode="enforce"} 1`,
    ),
  )
})

test('the accounts passed and their transaction are logged', () => {
  const { recorder, logged } = makeRecorder('debug')
  recorder.decided({ ...allowed, chain: ['api-access', 'ledger-access'], txn: 'abc' })
  const [line] = logged()
  assert.deepEqual([line?.['chain'], line?.['txn']], ['api-access ledger-access', 'abc'])
})

test('endings are counted by class of status and failure', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.ended(allowed, { status: 204, durationMs: 1 })
  recorder.ended(allowed, { status: 299, durationMs: 1 })
  recorder.ended(allowed, { status: undefined, durationMs: 1 })
  recorder.ended(allowed, { status: 502, durationMs: 1, code: 'upstream_refused' })
  assert.deepEqual(samples('onbehalf_responses_total'), [
    'onbehalf_responses_total{direction="inbound",status="2xx",code=""} 2',
    'onbehalf_responses_total{direction="inbound",status="none",code=""} 1',
    'onbehalf_responses_total{direction="inbound",status="5xx",code="upstream_refused"} 1',
  ])
})

test('a failure after the decision is logged with its cause', () => {
  const { recorder, logged } = makeRecorder()
  recorder.ended(allowed, { status: 502, durationMs: 1, code: 'upstream_refused', error: 'connect failed' })
  const [line] = logged()
  assert.deepEqual(
    [line?.['message'], line?.['code'], line?.['status'], line?.['cause']],
    ['failed', 'upstream_refused', 502, 'connect failed'],
  )
})

test('the access log is off unless it is asked for', () => {
  const { recorder, lines } = makeRecorder()
  recorder.ended(allowed, { status: 200, durationMs: 1 })
  assert.deepEqual(lines, [])
})

test('the access log has one line for each request, with the time of its decision', () => {
  const { recorder, logged } = makeRecorder('error', 'json')
  recorder.ended({ ...allowed, atMs: clockMs - 5_000 }, { status: 200, durationMs: 12.345 })
  const [line] = logged()
  assert.deepEqual(
    [line?.['time'], line?.['message'], line?.['status'], line?.['duration_ms'], line?.['path']],
    ['2026-01-15T11:59:55.000Z', 'access', 200, 12.3, '/a'],
  )
})

test('the access log may be text', () => {
  const { recorder, lines } = makeRecorder('error', 'text')
  recorder.ended(allowed, { status: 200, durationMs: 1 })
  assert.match(
    lines[0] ?? '',
    /^2026-01-15T12:00:00\.000Z info {2}access request_id=r1 .* status=200 duration_ms=1\n$/,
  )
})

test('what was verified is counted by what came of it', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.decided({ ...allowed, chain: ['api-access'], certificate: 'spiffe://mesh/api-access' })
  recorder.decided({ ...refused, caller: undefined, originalUser: undefined, code: 'assertion_expired' })
  recorder.decided({ ...refused, originalUser: undefined, code: 'original_user_signature' })
  recorder.decided({ ...refused, caller: undefined, code: 'client_certificate_mismatch' })
  // A caller without an assertion has none that could be verified.
  recorder.decided({ ...allowed, caller: undefined, originalUser: undefined })
  // An outbound call verifies nothing.
  recorder.decided({ ...allowed, direction: 'outbound' })
  assert.deepEqual(samples('onbehalf_verifications_total'), [
    'onbehalf_verifications_total{of="certificate",result="verified"} 1',
    'onbehalf_verifications_total{of="assertion",result="verified"} 2',
    'onbehalf_verifications_total{of="original_user",result="verified"} 1',
    'onbehalf_verifications_total{of="evidence",result="verified"} 1',
    'onbehalf_verifications_total{of="assertion",result="expired"} 1',
    'onbehalf_verifications_total{of="original_user",result="signature"} 1',
    'onbehalf_verifications_total{of="certificate",result="mismatch"} 1',
  ])
})

test('durations are counted as the semantic conventions have it, in seconds', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.decided(allowed)
  recorder.ended(allowed, { status: 200, durationMs: 30 })
  recorder.ended({ ...allowed, method: 'BREW' }, { status: 502, durationMs: 1, code: 'upstream_refused' })
  recorder.ended({ ...allowed, method: 'BREW' }, { status: undefined, durationMs: 1 })
  const call = { ...allowed, direction: 'outbound', port: 8443 } as const
  recorder.ended(call, { status: 404, durationMs: 1 })
  recorder.ended(
    { ...call, route: undefined, host: 'chosen-by-the-app.example' },
    { status: 200, durationMs: 1 },
  )
  const labels = samples('http_server_request_duration_seconds_count')
  assert.deepEqual(labels, [
    'http_server_request_duration_seconds_count{http_request_method="GET",url_scheme="http",http_response_status_code="200",error_type="",network_protocol_version="1.1",onbehalf_route="API"} 1',
    'http_server_request_duration_seconds_count{http_request_method="_OTHER",url_scheme="http",http_response_status_code="502",error_type="upstream_refused",network_protocol_version="1.1",onbehalf_route="API"} 1',
    'http_server_request_duration_seconds_count{http_request_method="_OTHER",url_scheme="http",http_response_status_code="",error_type="client_gone",network_protocol_version="1.1",onbehalf_route="API"} 1',
  ])
  assert.deepEqual(samples('http_client_request_duration_seconds_count'), [
    'http_client_request_duration_seconds_count{http_request_method="GET",url_scheme="http",http_response_status_code="404",error_type="404",server_address="api.example.com",server_port="8443",onbehalf_route="API"} 1',
    'http_client_request_duration_seconds_count{http_request_method="GET",url_scheme="http",http_response_status_code="200",error_type="",server_address="_OTHER",server_port="",onbehalf_route=""} 1',
  ])
  const bounds = samples('http_server_request_duration_seconds_bucket').map(
    (line) => /le="([^"]+)"/.exec(line)?.[1],
  )
  const specified = '0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf'
  assert.equal(bounds.slice(0, 15).join(' '), specified)
})

test('what is under way is counted from its decision to its end', () => {
  const { recorder, samples } = makeRecorder('error')
  recorder.decided(allowed)
  recorder.decided(refused)
  recorder.ended(allowed, { status: 200, durationMs: 1 })
  const sample = 'http_server_active_requests{http_request_method="GET",url_scheme="http"}'
  assert.deepEqual(samples('http_server_active_requests'), [`${sample} 1`])
  recorder.ended(refused, { status: 403, durationMs: 1 })
  assert.deepEqual(samples('http_server_active_requests'), [`${sample} 0`])
})

test('what is refused for the sake of others is counted as shed', () => {
  const { recorder, samples } = makeRecorder('error')
  for (const code of ['overloaded', 'draining', 'policy_denied'] as const)
    recorder.decided({ ...refused, code })
  assert.deepEqual(samples('onbehalf_shed_requests_total'), [
    'onbehalf_shed_requests_total{direction="inbound",code="overloaded"} 1',
    'onbehalf_shed_requests_total{direction="inbound",code="draining"} 1',
  ])
})

test('users stand in the log by pseudonyms, and service accounts by their names', () => {
  const { recorder, logged, lines } = makeRecorder('info', 'off', createPseudonyms(Buffer.alloc(32, 1)))
  recorder.decided(refused)
  assert.equal(logged()[0]?.['caller'], 'mesh/api-access')
  assert.match(String(logged()[0]?.['original_user']), /^pomerium\/[\w-]{22}$/)
  assert.doesNotMatch(lines.join(''), /alice/)
})

test('a line of the log names the trace, the span and its flags', () => {
  const { recorder, logged } = makeRecorder()
  recorder.decided({ ...refused, traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true })
  const [line] = logged()
  assert.deepEqual(
    [line?.['trace_id'], line?.['span_id'], line?.['trace_flags']],
    ['a'.repeat(32), 'b'.repeat(16), '01'],
  )
})

test('each decision goes to the audit, and to whoever watches until they do no more', () => {
  const { recorder, audited } = makeRecorder('error')
  const watched: Decision[] = []
  const end = recorder.watch((decision) => watched.push(decision))
  recorder.decided(allowed)
  end()
  recorder.decided(refused)
  assert.deepEqual([audited, watched], [[allowed, refused], [allowed]])
})
