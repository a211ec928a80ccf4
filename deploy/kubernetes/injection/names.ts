// What is fixed in every injected pod: names, ports, users and places. The images and the sidecar rely on them.

export const prefix = 'onbehalf.dev/'
/** A label and an annotation (the version) that an injected pod carries. */
export const injectedKey = `${prefix}injected`

export const sidecarName = 'onbehalf'
export const redirectName = 'onbehalf-redirect'

/** The user and group of the image; no other container of the pod may run as it. */
export const sidecarUid = 15_000

export const ports = { admin: 15_000, outbound: 15_001, inbound: 15_006, probes: 15_021 } as const

/** Of those that are declared. */
export const portNames = { inbound: 'onbehalf-in', probes: 'onbehalf-probes' } as const

export const places = {
  mesh: '/etc/onbehalf/mesh',
  meshFile: '/etc/onbehalf/mesh/mesh.yaml',
  certificate: '/etc/onbehalf/certificate',
  secrets: '/etc/onbehalf/secrets',
  token: '/var/run/secrets/onbehalf',
  run: '/run/onbehalf',
  /** In the containers of the app. */
  preload: '/opt/onbehalf',
} as const

/** The program in the image. */
export const program = ['/nodejs/bin/node', '/onbehalf/onbehalf.cjs'] as const
