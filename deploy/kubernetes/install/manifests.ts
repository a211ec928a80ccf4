// The files behind `onbehalf install`: bundled with it, or read from the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from './kustomize.ts'

/** Set by the bundler. */
declare const ONBEHALF_MANIFESTS: Files

/** By path from deploy/. */
export function manifestFiles(): Files {
  return typeof ONBEHALF_MANIFESTS === 'object' ? ONBEHALF_MANIFESTS : readManifestFiles()
}

const folders = ['kubernetes/base', 'kubernetes/overlays'] as const
/** Components that lie beside what they make a ConfigMap of. */
const single = [
  'observability/kustomization.yaml',
  'observability/dashboard.json',
  'redis/kustomization.yaml',
  'redis/users.acl',
] as const

/** From the sources. */
export function readManifestFiles(deploy = join(import.meta.dirname, '../..')): Files {
  const names = folders.flatMap((folder) =>
    readdirSync(join(deploy, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => `${folder}/${name}`),
  )
  return Object.fromEntries(
    [...names.sort(), ...single].map((name) => [name, readFileSync(join(deploy, name), 'utf8')]),
  )
}
