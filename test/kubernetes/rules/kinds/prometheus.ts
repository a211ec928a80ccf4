// monitoring.coreos.com/v1: rules and monitors as the operator's API reference has them, in the parts that are used.
import * as v from 'valibot'
import { anything, count, map, object, port, promDuration, selector, text, texts } from './forms.ts'

const rule = v.pipe(
  v.strictObject({
    record: v.optional(v.pipe(v.string(), v.regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, 'is no name of a metric'))),
    alert: v.optional(text),
    expr: v.union([text, v.number()]),
    for: v.optional(promDuration),
    keep_firing_for: v.optional(promDuration),
    labels: v.optional(map),
    annotations: v.optional(map),
  }),
  v.check(
    ({ record, alert }) => (record === undefined) !== (alert === undefined),
    'is one of record and alert',
  ),
)
const group = v.strictObject({
  name: text,
  interval: v.optional(promDuration),
  limit: v.optional(count),
  labels: v.optional(map),
  rules: v.optional(v.array(rule)),
})
export const prometheusRule = object(
  v.pipe(
    v.strictObject({ groups: v.optional(v.array(group)) }),
    v.check(
      ({ groups = [] }) => new Set(groups.map(({ name }) => name)).size === groups.length,
      'two groups of one name',
    ),
  ),
)
const endpoint = v.strictObject({
  port: v.optional(text),
  targetPort: v.optional(port),
  portNumber: v.optional(count),
  path: v.optional(text),
  scheme: v.optional(v.picklist(['http', 'https', 'HTTP', 'HTTPS'])),
  interval: v.optional(promDuration),
  scrapeTimeout: v.optional(promDuration),
  honorLabels: v.optional(v.boolean()),
  tlsConfig: v.optional(anything),
  relabelings: v.optional(v.array(anything)),
  metricRelabelings: v.optional(v.array(anything)),
})
const monitored = {
  selector,
  namespaceSelector: v.optional(
    v.strictObject({ any: v.optional(v.boolean()), matchNames: v.optional(texts) }),
  ),
  jobLabel: v.optional(text),
  podTargetLabels: v.optional(texts),
}

export const serviceMonitor = object(
  v.strictObject({ ...monitored, endpoints: v.array(endpoint), targetLabels: v.optional(texts) }),
)
export const podMonitor = object(v.strictObject({ ...monitored, podMetricsEndpoints: v.array(endpoint) }))
