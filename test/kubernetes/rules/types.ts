// The parts of Kubernetes' objects that the rules read.
import type { IDeploymentSpec } from 'kubernetes-models/apps/v1/DeploymentSpec'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec'

export type PodSpec = IPodSpec
export type PodTemplate = IPodTemplateSpec
export type Metadata = NonNullable<IPodTemplateSpec['metadata']>
export type LabelSelector = IDeploymentSpec['selector']
export type Container = IContainer
type Item<List> = List extends readonly (infer T)[] ? T : never
export type Volume = Item<NonNullable<IPodSpec['volumes']>>
export type VolumeMount = Item<NonNullable<IContainer['volumeMounts']>>
export type ContainerPort = Item<NonNullable<IContainer['ports']>>
export type EnvironmentVariable = Item<NonNullable<IContainer['env']>>
export type Resources = NonNullable<IContainer['resources']>
export type SecurityContext = NonNullable<IContainer['securityContext']>
export type PodSecurityContext = NonNullable<IPodSpec['securityContext']>
export type Probe = NonNullable<IContainer['livenessProbe']>
export type Lifecycle = NonNullable<IContainer['lifecycle']>
export type Hook = NonNullable<Lifecycle['preStop']>

/** A container and where it stands. */
export interface Placed {
  readonly container: Container
  readonly path: string
  readonly isInit: boolean
}

export function containersOf(spec: PodSpec, path: string): Placed[] {
  return [
    ...(spec.initContainers ?? []).map((container, i) => ({
      container,
      path: `${path}.initContainers[${i}]`,
      isInit: true,
    })),
    ...spec.containers.map((container, i) => ({
      container,
      path: `${path}.containers[${i}]`,
      isInit: false,
    })),
  ]
}

/** A native sidecar: it runs as long as the pod's containers do. */
export function isRestartable({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always'
}
