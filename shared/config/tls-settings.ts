// Checks what mutual TLS needs to be of use: a certificate to show, and authorities for whom others show one.
import { trustDomainOf } from '../certificate/spiffe.ts'
import type { ProblemSink } from './problem.ts'
import type { EffectiveSettings } from './schema.ts'

export function checkTls(settings: EffectiveSettings, problems: ProblemSink): void {
  const { mesh, credential } = settings
  const hasCertificate = credential.certificate !== undefined && mesh.issuer !== undefined
  if (mesh.tls === 'strict' && !hasCertificate) {
    problems.error(
      ['mesh', 'tls'],
      'is `strict`, and this service has no certificate to speak TLS with, so nobody could reach it: give it credential.certificate and credential.key, and the mesh issuer and ca',
    )
  }
  for (const [index, { edges }] of (settings.issuers ?? []).entries()) {
    for (const [i, id] of (edges?.client_certificate ?? []).entries()) {
      const path = ['issuers', index, 'edges', 'client_certificate', i]
      const why = whyNobodyShows(id, settings, hasCertificate)
      if (why !== undefined) problems.warn(path, `lets nobody in: ${why}`)
    }
  }
}

function whyNobodyShows(
  id: string,
  { mesh }: EffectiveSettings,
  hasCertificate: boolean,
): string | undefined {
  if (mesh.tls === 'off') return 'with `tls: off` certificates are not asked for'
  if (!hasCertificate)
    return 'this service has no certificate to speak TLS with (credential.certificate, mesh.issuer)'
  const issuer = trustDomainOf(id)
  const issuers = [mesh.issuer, ...mesh.trust.map((trusted) => trusted.issuer)]
  if (issuers.includes(issuer)) return undefined
  return `nobody certifies names of ${issuer}; give mesh.trust an entry with this issuer, its ca, and no accounts`
}
