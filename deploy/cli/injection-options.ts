// The options that say how pods are injected where their annotations do not.
import { annotations, readCertificate } from '../kubernetes/injection/annotations.ts'
import { defaultSettings, type Settings } from '../kubernetes/injection/settings.ts'
import { version } from '../../sidecar/version.ts'

export const injectionOptions = {
  image: { type: 'string' },
  'redirect-image': { type: 'string' },
  sidecar: { type: 'string' },
  intercept: { type: 'string' },
  mesh: { type: 'string' },
  'certificate-source': { type: 'string' },
} as const

export const describeInjectionOptions = `  --image IMAGE       Of the sidecar. Default: onbehalf:${version}.
  --redirect-image IMAGE
                      Of the init container that redirects. Default: onbehalf-redirect:${version}.
  --sidecar FORM      native (default; Kubernetes 1.29 and later) or classic.
  --intercept HOW     redirect (default) or none, for namespaces under the restricted Pod Security Standard.
  --mesh CONFIGMAP    That holds mesh.yaml. Default: onbehalf-mesh.
  --certificate-source SOURCE
                      none (default), spiffe or secret/NAME.
`

type Given = Readonly<Partial<Record<keyof typeof injectionOptions, string | undefined>>>

/** @throws {Error} with what is wrong with an option, in words. */
export function settingsOf(given: Given): Settings {
  const defaults = defaultSettings(version)
  return {
    ...defaults,
    image: imageOf('image', given.image) ?? defaults.image,
    redirectImage: imageOf('redirect-image', given['redirect-image']) ?? defaults.redirectImage,
    mesh: meshOf(given.mesh) ?? defaults.mesh,
    sidecar: oneOf('sidecar', given.sidecar, ['native', 'classic']) ?? defaults.sidecar,
    intercept: oneOf('intercept', given.intercept, ['redirect', 'none']) ?? defaults.intercept,
    certificate: certificateOf(given['certificate-source']) ?? defaults.certificate,
  }
}

function oneOf<const T extends string>(
  option: string,
  text: string | undefined,
  words: readonly T[],
): T | undefined {
  if (text === undefined) return undefined
  const found = words.find((word) => word === text)
  if (found === undefined) throw new Error(`--${option}: "${text}" is none of ${words.join(', ')}`)
  return found
}

function imageOf(option: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^\S+$/.test(text))
    throw new Error(`--${option}: "${text}" is no name of an image`)
  return text
}

function meshOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const reading = annotations.mesh.read(text)
  if ('wrong' in reading) throw new Error(`--mesh: "${text}" ${reading.wrong}`)
  return reading.value
}

function certificateOf(text: string | undefined): Settings['certificate'] | undefined {
  if (text === undefined) return undefined
  const reading = readCertificate(text)
  if ('wrong' in reading) throw new Error(`--certificate-source: "${text}" ${reading.wrong}`)
  return reading.value
}
