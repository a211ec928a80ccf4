// How the bench reads a sidecar's metrics.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMetric } from './metrics.ts'

const text = `# TYPE onbehalf_sessions gauge
onbehalf_sessions{state="active"} 2
onbehalf_sessions{state="lingering"} 40
onbehalf_sessions_shared 7
`

test('the points of a metric are added up, or those with a label', () => {
  assert.equal(readMetric(text, 'onbehalf_sessions'), 42)
  assert.equal(readMetric(text, 'onbehalf_sessions', 'state="active"'), 2)
  assert.equal(readMetric(text, 'onbehalf_other'), 0)
})
