// What is said of a sidecar in its telemetry, by the variables that OpenTelemetry defines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourceAttributes } from '../../../sidecar/telemetry/telemetry-settings.ts'

const attributesWith = (given: string) =>
  resourceAttributes('App', '1.0', { OTEL_RESOURCE_ATTRIBUTES: given })
const own = { 'service.name': 'App', 'onbehalf.version': '1.0' }

test('what is given counts before what the sidecar says of itself', () => {
  assert.deepEqual(attributesWith(' deployment.environment = prod , service.name=a%2Cb,'), {
    ...own,
    'deployment.environment': 'prod',
    'service.name': 'a,b',
  })
})

for (const bad of ['bad', 'a=b=c', '=b', 'a=%zz', `a=${'b'.repeat(256)}`]) {
  test(`a pair that cannot be read costs what is given, never the service's name: ${bad.slice(0, 10)}`, () => {
    assert.deepEqual(attributesWith(`deployment.environment=prod,${bad}`), own)
  })
}
