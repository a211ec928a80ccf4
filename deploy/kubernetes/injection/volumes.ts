// The volumes of the sidecar, and where it mounts them.
import { places, sidecarUid } from './names.ts'
import type { Volume, VolumeMount } from './pod.ts'
import type { CertificateSource } from './settings.ts'

export const preloadVolume = 'onbehalf-preload'

export interface Wanted {
  readonly mesh: string
  readonly certificate: CertificateSource
  readonly secrets: readonly string[]
  readonly tokenAudience: string | undefined
  readonly preload: boolean
}

interface Mounted {
  readonly volume: Volume
  readonly mount: VolumeMount
}

/** Only the sidecar mounts these volumes: its user, who owns none of the files, may read them all. */
const readable = 0o444
const tokenSeconds = 3_600

export function volumesFor({
  mesh,
  certificate,
  secrets,
  tokenAudience,
  preload,
}: Wanted): readonly Mounted[] {
  return [
    mounted('onbehalf-mesh', places.mesh, { configMap: { name: mesh } }),
    { ...mounted('onbehalf-run', places.run, { emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }, false) },
    ...certificateVolumes(certificate),
    ...secrets.map((secretName, i) =>
      mounted(`onbehalf-secret-${i}`, `${places.secrets}/${secretName}`, {
        secret: { secretName, defaultMode: readable },
      }),
    ),
    ...(tokenAudience === undefined
      ? []
      : [mounted('onbehalf-token', places.token, tokenFor(tokenAudience))]),
    ...(preload ? [mounted(preloadVolume, places.preload, { emptyDir: { sizeLimit: '1Mi' } }, false)] : []),
  ]
}

function mounted(name: string, mountPath: string, source: object, readOnly = true): Mounted {
  return { volume: { name, ...source }, mount: { name, mountPath, ...(readOnly ? { readOnly } : {}) } }
}

function certificateVolumes(certificate: CertificateSource): Mounted[] {
  const name = 'onbehalf-certificate'
  switch (certificate.kind) {
    case 'none':
      return []
    case 'secret':
      return [
        mounted(name, places.certificate, {
          secret: { secretName: certificate.name, defaultMode: readable },
        }),
      ]
    case 'spiffe':
      return [mounted(name, places.certificate, { csi: spiffeDriver })]
  }
}

const spiffeDriver = {
  driver: 'spiffe.csi.cert-manager.io',
  readOnly: true,
  volumeAttributes: { 'spiffe.csi.cert-manager.io/fs-group': String(sidecarUid) },
}

function tokenFor(audience: string): object {
  const serviceAccountToken = { audience, expirationSeconds: tokenSeconds, path: 'token' }
  return { projected: { defaultMode: readable, sources: [{ serviceAccountToken }] } }
}
