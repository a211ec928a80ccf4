// What an injection goes by where the pod's annotations say nothing.
import type { EnvironmentVariable } from './pod.ts'

export type Intercept = 'redirect' | 'none'
/** `native`: an init container that is restarted always (Kubernetes 1.29 and later). */
export type SidecarForm = 'native' | 'classic'

/** Where the sidecar's certificate comes from. */
export type CertificateSource =
  | { readonly kind: 'none' }
  /** cert-manager's csi-driver-spiffe; the account is `ns/NAMESPACE/sa/SERVICEACCOUNT`. */
  | { readonly kind: 'spiffe' }
  /** A Secret of the type kubernetes.io/tls. */
  | { readonly kind: 'secret'; readonly name: string }

export interface Settings {
  /** Of the sidecar and of the redirect init container. */
  readonly image: string
  readonly redirectImage: string
  readonly version: string
  readonly sidecar: SidecarForm
  readonly intercept: Intercept
  /** The ConfigMap that holds mesh.yaml and the files that it names. */
  readonly mesh: string
  readonly certificate: CertificateSource
  /** For every sidecar, behind what its pod says: OTEL_* above all. */
  readonly environment: readonly EnvironmentVariable[]
}

export function defaultSettings(version: string): Settings {
  return {
    image: `onbehalf:${version}`,
    redirectImage: `onbehalf-redirect:${version}`,
    version,
    sidecar: 'native',
    intercept: 'redirect',
    mesh: 'onbehalf-mesh',
    certificate: { kind: 'none' },
    environment: [],
  }
}
