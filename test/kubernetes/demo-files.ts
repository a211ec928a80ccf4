// The demo's folder as a user has it: the manifests, and beside them the app, the CA and the users' keys.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../deploy/kubernetes/install/kustomize.ts'
import { createAuthority } from '../../sidecar/ca.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const demo = join(deploy, 'kubernetes/demo')

export const meshIssuer = 'mesh.companydomain.com'

/** By path from that folder. @param components that its kustomization names. */
export async function demoFiles(components: readonly string[]): Promise<Files> {
  const names = readdirSync(demo, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.yaml'),
  )
  const manifests = Object.fromEntries(names.map((name) => [name, readFileSync(join(demo, name), 'utf8')]))
  const { certificatePem } = await createAuthority({ issuer: meshIssuer, days: 1, nowMs: Date.now() })
  return {
    ...manifests,
    'kustomization.yaml': `${manifests['kustomization.yaml']}components: [${components.join(', ')}]\n`,
    'app.ts': readFileSync(join(deploy, 'demo/app.ts'), 'utf8'),
    'ca.pem': certificatePem,
    'jwks.json': '{"keys": []}\n',
  }
}
