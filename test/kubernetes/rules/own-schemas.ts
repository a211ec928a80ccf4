// The kinds that no package describes, by strict schemas of the parts that are used.
import * as v from 'valibot'
import { admissionReview } from './kinds/admission-review.ts'
import { certificate, issuer } from './kinds/cert-manager.ts'
import { kustomization } from './kinds/kustomize.ts'
import { podMonitor, prometheusRule, serviceMonitor } from './kinds/prometheus.ts'
import type { Fields } from './structure.ts'

const schemas: Readonly<Record<string, v.GenericSchema>> = {
  'admission.k8s.io/v1 AdmissionReview': admissionReview,
  'cert-manager.io/v1 Certificate': certificate,
  'cert-manager.io/v1 Issuer': issuer,
  'cert-manager.io/v1 ClusterIssuer': issuer,
  'monitoring.coreos.com/v1 PrometheusRule': prometheusRule,
  'monitoring.coreos.com/v1 ServiceMonitor': serviceMonitor,
  'monitoring.coreos.com/v1 PodMonitor': podMonitor,
  'kustomize.config.k8s.io/v1beta1 Kustomization': kustomization,
  'kustomize.config.k8s.io/v1alpha1 Component': kustomization,
}

/** Undefined for kinds that others describe. */
export function ownSchemaProblems(given: Fields, apiVersion: string, kind: string): string[] | undefined {
  const schema = schemas[`${apiVersion} ${kind}`]
  if (schema === undefined) return undefined
  const { issues } = v.safeParse(schema, given)
  return (issues ?? []).map(wording)
}

function wording(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? [])
    .map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${path}: is no field`
  if (issue.type === 'strict_object' && issue.received === 'undefined') return `${path}: is required`
  return path === '' ? issue.message : `${path}: ${issue.message}`
}
