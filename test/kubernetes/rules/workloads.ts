// What the API server asks of what makes pods (pkg/apis/apps/validation, pkg/apis/batch/validation).
import type { ICronJob } from 'kubernetes-models/batch/v1/CronJob'
import type { IJob } from 'kubernetes-models/batch/v1/Job'
import type { IDaemonSet } from 'kubernetes-models/apps/v1/DaemonSet'
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment'
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import type { IPod } from 'kubernetes-models/v1/Pod'
import { isSelected, markProblems, selectorProblems } from './metadata.ts'
import { podProblems } from './pod.ts'
import type { LabelSelector, PodTemplate } from './types.ts'

export function podObjectProblems({ spec }: IPod): string[] {
  return spec === undefined ? ['spec: is required'] : podProblems(spec, 'spec')
}

export function deploymentProblems({ spec }: IDeployment): string[] {
  if (spec === undefined) return ['spec: is required']
  const { type = 'RollingUpdate', rollingUpdate } = spec.strategy ?? {}
  const { maxSurge, maxUnavailable } = rollingUpdate ?? {}
  return [
    ...countProblems({ replicas: spec.replicas }),
    ...(type === 'Recreate' && rollingUpdate !== undefined
      ? ['spec.strategy.rollingUpdate: may not stand with type Recreate']
      : []),
    ...(isNothing(maxSurge) && isNothing(maxUnavailable)
      ? ['spec.strategy.rollingUpdate: maxUnavailable may not be 0 when maxSurge is 0']
      : []),
    ...selectingProblems(spec.selector, spec.template),
    ...lastingProblems(spec.template),
  ]
}

function isNothing(share: number | string | undefined): boolean {
  return share === 0 || share === '0%'
}

export function statefulSetProblems({ spec }: IStatefulSet): string[] {
  if (spec === undefined) return ['spec: is required']
  const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? '')
  return [
    ...countProblems({ replicas: spec.replicas }),
    ...selectingProblems(spec.selector, spec.template),
    ...lastingProblems(spec.template, claims),
  ]
}

export function daemonSetProblems({ spec }: IDaemonSet): string[] {
  if (spec === undefined) return ['spec: is required']
  return [...selectingProblems(spec.selector, spec.template), ...lastingProblems(spec.template)]
}

export function jobProblems({ spec }: IJob): string[] {
  return jobSpecProblems(spec, 'spec')
}

const schedule = /^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|(\S+ +){4}\S+)$/

export function cronJobProblems({ spec }: ICronJob): string[] {
  if (spec === undefined) return ['spec: is required']
  return [
    ...(schedule.test(spec.schedule.trim()) ? [] : [`spec.schedule: "${spec.schedule}" is no schedule`]),
    ...(/^(CRON_)?TZ=/.test(spec.schedule) ? ['spec.schedule: names a time zone'] : []),
    ...markProblems(spec.jobTemplate.metadata, 'spec.jobTemplate.metadata'),
    ...jobSpecProblems(spec.jobTemplate.spec, 'spec.jobTemplate.spec'),
  ]
}

function jobSpecProblems(spec: IJob['spec'], path: string): string[] {
  if (spec === undefined) return [`${path}: is required`]
  const { parallelism, completions, backoffLimit, ttlSecondsAfterFinished, template } = spec
  const { restartPolicy } = template.spec ?? {}
  const counts = { parallelism, completions, backoffLimit, ttlSecondsAfterFinished }
  return [
    ...countProblems(counts, path),
    ...(spec.completionMode === 'Indexed' && completions === undefined
      ? [`${path}.completions: is required with Indexed`]
      : []),
    ...(spec.selector !== undefined && spec.manualSelector !== true
      ? [`${path}.selector: is made by the server, but with manualSelector`]
      : []),
    // Pods have Always where nothing is said.
    ...(restartPolicy === 'Never' || restartPolicy === 'OnFailure'
      ? []
      : [`${path}.template.spec.restartPolicy: is neither Never nor OnFailure`]),
    ...templateProblems(template, `${path}.template`),
  ]
}

function countProblems(counts: Readonly<Record<string, number | undefined>>, path = 'spec'): string[] {
  return Object.entries(counts)
    .filter(([, count]) => count !== undefined && count < 0)
    .map(([name]) => `${path}.${name}: is negative`)
}

/** ValidatePodTemplateSpecForReplicaSet, ValidateDaemonSetSpec. */
function selectingProblems(selector: LabelSelector, { metadata }: PodTemplate): string[] {
  const size = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length
  return [
    ...(size === 0 ? ['spec.selector: is required'] : []),
    ...selectorProblems(selector, 'spec.selector'),
    ...(isSelected(selector, metadata?.labels ?? {})
      ? []
      : ['spec.template.metadata.labels: `selector` does not match template `labels`']),
  ]
}

/** Of pods that are meant to stay. */
function lastingProblems(template: PodTemplate, claims: readonly string[] = []): string[] {
  const { restartPolicy = 'Always', activeDeadlineSeconds } = template.spec ?? {}
  return [
    ...(restartPolicy === 'Always'
      ? []
      : [`spec.template.spec.restartPolicy: ${restartPolicy} is not Always`]),
    ...(activeDeadlineSeconds === undefined
      ? []
      : ['spec.template.spec.activeDeadlineSeconds: is forbidden']),
    ...templateProblems(template, 'spec.template', claims),
  ]
}

function templateProblems(
  { metadata, spec }: PodTemplate,
  path: string,
  claims: readonly string[] = [],
): string[] {
  return [
    ...markProblems(metadata, `${path}.metadata`),
    ...(spec === undefined ? [`${path}.spec: is required`] : podProblems(spec, `${path}.spec`, claims)),
  ]
}
