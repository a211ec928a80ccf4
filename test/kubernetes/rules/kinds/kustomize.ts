// kustomize.config.k8s.io: the file as kustomize's reference has it, in the parts that are used.
import * as v from 'valibot'
import { anything, count, map, text, texts } from './forms.ts'

const generated = {
  name: text,
  namespace: v.optional(text),
  behavior: v.optional(v.picklist(['create', 'replace', 'merge'])),
  files: v.optional(texts),
  literals: v.optional(texts),
  envs: v.optional(texts),
  options: v.optional(anything),
}
const target = v.strictObject({
  group: v.optional(text),
  version: v.optional(text),
  kind: v.optional(text),
  name: v.optional(text),
  namespace: v.optional(text),
  labelSelector: v.optional(text),
  annotationSelector: v.optional(text),
})
export const kustomization = v.strictObject({
  apiVersion: text,
  kind: text,
  metadata: v.optional(anything),
  namespace: v.optional(text),
  namePrefix: v.optional(text),
  nameSuffix: v.optional(text),
  resources: v.optional(texts),
  components: v.optional(texts),
  labels: v.optional(
    v.array(
      v.strictObject({
        pairs: map,
        includeSelectors: v.optional(v.boolean()),
        includeTemplates: v.optional(v.boolean()),
        fields: v.optional(v.array(anything)),
      }),
    ),
  ),
  commonAnnotations: v.optional(map),
  images: v.optional(
    v.array(
      v.strictObject({
        name: text,
        newName: v.optional(text),
        newTag: v.optional(text),
        digest: v.optional(text),
      }),
    ),
  ),
  replicas: v.optional(v.array(v.strictObject({ name: text, count }))),
  patches: v.optional(
    v.array(
      v.strictObject({
        path: v.optional(text),
        patch: v.optional(text),
        target: v.optional(target),
        options: v.optional(anything),
      }),
    ),
  ),
  configMapGenerator: v.optional(v.array(v.strictObject(generated))),
  secretGenerator: v.optional(v.array(v.strictObject({ ...generated, type: v.optional(text) }))),
  generatorOptions: v.optional(
    v.strictObject({
      disableNameSuffixHash: v.optional(v.boolean()),
      immutable: v.optional(v.boolean()),
      labels: v.optional(map),
      annotations: v.optional(map),
    }),
  ),
  replacements: v.optional(v.array(anything)),
})
