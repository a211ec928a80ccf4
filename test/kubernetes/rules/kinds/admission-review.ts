// Admission reviews: k8s.io/api/admission/v1, and what the API server asks of an answer (VerifyAdmissionResponse).
import * as v from 'valibot'
import { anything, count, map, text, texts } from './forms.ts'

const groupVersionKind = v.strictObject({ group: v.string(), version: text, kind: text })
const groupVersionResource = v.strictObject({ group: v.string(), version: text, resource: text })
const admissionRequest = v.strictObject({
  uid: text,
  kind: groupVersionKind,
  resource: groupVersionResource,
  subResource: v.optional(v.string()),
  requestKind: v.optional(groupVersionKind),
  requestResource: v.optional(groupVersionResource),
  requestSubResource: v.optional(v.string()),
  name: v.optional(v.string()),
  namespace: v.optional(v.string()),
  operation: v.picklist(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
  userInfo: v.strictObject({
    username: v.optional(v.string()),
    uid: v.optional(v.string()),
    groups: v.optional(texts),
    extra: v.optional(v.record(v.string(), texts)),
  }),
  object: v.optional(v.nullable(anything)),
  oldObject: v.optional(v.nullable(anything)),
  dryRun: v.optional(v.boolean()),
  options: v.optional(v.nullable(anything)),
})
const base64Patch = v.pipe(v.string(), v.check(isPatch, 'is no JSON patch'))
const admissionResponse = v.strictObject({
  uid: text,
  allowed: v.boolean(),
  status: v.optional(
    v.strictObject({
      apiVersion: v.optional(v.string()),
      kind: v.optional(v.string()),
      metadata: v.optional(anything),
      status: v.optional(v.picklist(['Success', 'Failure'])),
      message: v.optional(v.string()),
      reason: v.optional(v.string()),
      details: v.optional(anything),
      code: v.optional(count),
    }),
  ),
  patch: v.optional(base64Patch),
  patchType: v.optional(v.literal('JSONPatch')),
  auditAnnotations: v.optional(map),
  warnings: v.optional(texts),
})
export const admissionReview = v.pipe(
  v.strictObject({
    apiVersion: text,
    kind: text,
    request: v.optional(admissionRequest),
    response: v.optional(admissionResponse),
  }),
  v.check(
    ({ request, response }) => request !== undefined || response !== undefined,
    'has no request and no response',
  ),
  v.check(
    ({ request, response }) =>
      request === undefined || response === undefined || request.uid === response.uid,
    'response.uid is not request.uid',
  ),
  v.check(
    ({ response }) => (response?.patch === undefined) === (response?.patchType === undefined),
    'patch and patchType stand only together',
  ),
)

const patchSchema = v.array(
  v.looseObject({
    op: v.picklist(['add', 'remove', 'replace', 'move', 'copy', 'test']),
    path: v.pipe(v.string(), v.regex(/^(\/.*)?$/)),
  }),
)

function isPatch(base64: string): boolean {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) return false
  try {
    return v.is(patchSchema, JSON.parse(bytes.toString()))
  } catch {
    return false
  }
}
