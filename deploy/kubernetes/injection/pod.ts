// The parts of a pod, as Kubernetes' API has them, that an injection reads or writes.

export interface PodTemplate {
  readonly metadata?: Metadata | undefined
  readonly spec: PodSpec
}

export interface Metadata {
  readonly name?: string
  readonly generateName?: string
  readonly labels?: Readonly<Record<string, string>> | null
  readonly annotations?: Readonly<Record<string, string>> | null
}

export interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[] | null
  readonly volumes?: readonly Volume[] | null
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly shareProcessNamespace?: boolean
  readonly restartPolicy?: string
  readonly os?: { readonly name?: string }
  readonly securityContext?: { readonly runAsUser?: number } | null
  readonly terminationGracePeriodSeconds?: number
  readonly nodeSelector?: Readonly<Record<string, string>> | null
  readonly resources?: Resources | null
}

export interface Container {
  readonly name: string
  readonly image?: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly restartPolicy?: string
  readonly ports?: readonly ContainerPort[] | null
  readonly env?: readonly EnvironmentVariable[] | null
  readonly envFrom?: readonly unknown[] | null
  readonly resources?: Resources
  readonly volumeMounts?: readonly VolumeMount[] | null
  readonly startupProbe?: Probe | null
  readonly readinessProbe?: Probe | null
  readonly livenessProbe?: Probe | null
  readonly lifecycle?: Lifecycle | null
  readonly securityContext?: SecurityContext | null
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly protocol?: string
}

export interface EnvironmentVariable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: unknown
}

export interface Resources {
  readonly requests?: Readonly<Record<string, string>> | null
  readonly limits?: Readonly<Record<string, string>> | null
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

export interface Volume {
  readonly name: string
  readonly [source: string]: unknown
}

export interface Handler {
  readonly httpGet?: HttpGet
  readonly tcpSocket?: { readonly host?: string; readonly port: number | string }
  readonly grpc?: { readonly port: number; readonly service?: string | null }
  readonly exec?: unknown
}

export interface HttpGet {
  readonly path?: string
  readonly port: number | string
  readonly host?: string
  readonly scheme?: string
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[] | null
}

export interface Probe extends Handler {
  readonly timeoutSeconds?: number
  readonly periodSeconds?: number
  readonly failureThreshold?: number
}

export interface Lifecycle {
  readonly postStart?: Handler | null
  readonly preStop?: Handler | null
}

export interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly privileged?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly readOnlyRootFilesystem?: boolean
  readonly capabilities?: {
    readonly add?: readonly string[] | null
    readonly drop?: readonly string[] | null
  }
  readonly seccompProfile?: { readonly type: string }
}
