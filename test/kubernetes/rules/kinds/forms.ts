// The forms that the schemas written here are made of.
import * as v from 'valibot'

export const text = v.pipe(v.string(), v.minLength(1, 'is empty'))
export const texts = v.array(text)
export const map = v.record(v.string(), v.string())
export const anything = v.record(v.string(), v.unknown())
export const count = v.pipe(v.number(), v.integer(), v.minValue(0))
export const port = v.union([v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)), text])
/** As Go writes it. */
export const goDuration = v.pipe(
  v.string(),
  v.regex(/^(\d+(\.\d+)?(h|ms|m|s))+$/, 'is no duration such as 24h'),
)
/** As Prometheus writes it. */
export const promDuration = v.pipe(
  v.string(),
  v.regex(/^(0|(\d+(y|w|d|h|ms|m|s))+)$/, 'is no duration such as 5m'),
)
export const selector = v.strictObject({
  matchLabels: v.optional(map),
  matchExpressions: v.optional(
    v.array(
      v.strictObject({
        key: text,
        operator: v.picklist(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: v.optional(texts),
      }),
    ),
  ),
})

export function object(spec: v.GenericSchema) {
  return v.strictObject({
    apiVersion: text,
    kind: text,
    metadata: anything,
    spec,
    status: v.optional(anything),
  })
}
