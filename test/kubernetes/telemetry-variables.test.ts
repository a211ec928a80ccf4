// The app's OTEL_* variables in the sidecar's container, with what they refer to; read as the kubelet reads them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnvironmentVariable } from '../../deploy/kubernetes/injection/pod.ts'
import { telemetryVariables } from '../../deploy/kubernetes/injection/telemetry-variables.ts'
import { environmentOf } from './node/environment.ts'

const fields = {
  'metadata.name': 'web-1',
  'metadata.namespace': 'shop',
  'spec.nodeName': 'node-1',
  'status.hostIP': '10.0.0.7',
}
const endpoint = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const plain = (name: string, value: string) => ({ name, value })
const from = (name: string, source: object) => ({ name, valueFrom: source })
const hostIp = (name: string) => from(name, { fieldRef: { fieldPath: 'status.hostIP' } })
const passed = (...env: EnvironmentVariable[]) => telemetryVariables([{ name: 'app', env }], [])

test('what a variable refers to goes along, as far as it goes back', () => {
  const { variables, warnings } = passed(
    hostIp('HOST_IP'),
    plain('PORT', '4318'),
    plain('COLLECTOR', '$(HOST_IP):$(PORT)'),
    plain(endpoint, 'http://$(COLLECTOR)'),
    plain('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `$(${endpoint})/v1/traces`),
  )
  assert.deepEqual(warnings, [])
  const made = environmentOf(variables, fields)
  assert.equal(made[endpoint], 'http://10.0.0.7:4318')
  assert.equal(made['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], 'http://10.0.0.7:4318/v1/traces')
})

test('under names that nobody reads, and that are not the sidecar’s', () => {
  const { variables } = passed(
    hostIp('NODE_NAME'),
    plain('NODE_OPTIONS', '--inspect'),
    plain('UNUSED', 'x'),
    plain(endpoint, 'http://$(NODE_NAME)/$(NODE_OPTIONS)'),
  )
  const made = environmentOf(variables, fields)
  assert.equal(made[endpoint], 'http://10.0.0.7/--inspect')
  assert.equal(made['NODE_NAME'], 'node-1')
  assert.equal(made['NODE_OPTIONS'], undefined)
  assert.doesNotMatch(JSON.stringify(variables), /UNUSED/)
})

test('keys of Secrets and ConfigMaps go along once, and dollars stay as they are', () => {
  const key = from('KEY', { secretKeyRef: { name: 'collector', key: 'key' } })
  const { variables } = passed(
    key,
    plain('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'key=$(KEY)'),
    plain('OTEL_EXPORTER_OTLP_LOGS_HEADERS', 'key=$(KEY),a=$$(KEY),b=$$$(KEY),c=$(,d=$'),
  )
  assert.deepEqual(variables.slice(4), [
    { ...key, name: 'APP_KEY' },
    plain('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'key=$(APP_KEY)'),
    plain('OTEL_EXPORTER_OTLP_LOGS_HEADERS', 'key=$(APP_KEY),a=$$(KEY),b=$$$(APP_KEY),c=$(,d=$'),
  ])
})

const limit = { resourceFieldRef: { resource: 'limits.memory' } }
const left: readonly (readonly [string, readonly EnvironmentVariable[], RegExp])[] = [
  ['is not there', [plain(endpoint, '$(HOST)')], /ENDPOINT refers to HOST, which is the container’s alone/],
  ['comes later', [plain(endpoint, '$(HOST)'), plain('HOST', 'a')], /refers to HOST,/],
  ['is itself', [plain(endpoint, `$(${endpoint})`)], /ENDPOINT is the container’s alone/],
  ['stands twice', [plain('A', 'a'), plain('A', 'b'), plain(endpoint, '$(A)')], /refers to A,/],
  ['is of its own resources', [from('A', limit), plain(endpoint, '$(A)')], /refers to A,/],
  [
    'refers to such a one',
    [from('A', limit), plain('B', '$(A)'), plain('C', '$(B)'), plain(endpoint, '$(C)')],
    /refers to A,/,
  ],
]
for (const [what, env, why] of left)
  test(`a variable is left out, with a warning, where what it refers to ${what}`, () => {
    const { variables, warnings } = passed(...env)
    assert.deepEqual(variables, [])
    assert.match(warnings.join('\n'), why)
  })

test('one that comes from the container’s own resources is left out itself', () => {
  const { variables, warnings } = passed(from('OTEL_BSP_MAX_QUEUE_SIZE', limit))
  assert.deepEqual(variables, [])
  assert.match(warnings.join('\n'), /container app: OTEL_BSP_MAX_QUEUE_SIZE is the container’s alone/)
})

test('values that are none yet are no hindrance', () => {
  const odd = [
    { name: 'A', value: null },
    { name: 'B', valueFrom: null },
    { name: 'C', value: 1 },
  ]
  const { variables } = passed(...(odd as unknown as EnvironmentVariable[]), plain(endpoint, '$(A)$(B)$(C)'))
  assert.equal(variables.at(-1)?.value, '$(APP_A)$(APP_B)$(APP_C)')
})

test('what is made to take long takes no time', () => {
  const doubled = Array.from({ length: 5_000 }, (_, i) => plain(`V${i + 1}`, `$(V${i})$(V${i})`))
  const begun = process.cpuUsage()
  const { variables } = passed(plain('V0', '$('.repeat(50_000)), ...doubled, plain(endpoint, '$(V5000)'))
  assert.equal(variables.length, 4 + 5_002)
  assert.ok(process.cpuUsage(begun).user < 1_000_000)
})
