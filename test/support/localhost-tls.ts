// A certificate for localhost, or another name, under an authority of its own: for servers beyond the mesh.
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'

export interface LocalhostTls {
  readonly caPem: string
  /** The certificate and its authority's. */
  readonly cert: string
  readonly key: string
}

export async function certifyLocalhost(name = 'localhost'): Promise<LocalhostTls> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: 'outside.example.com', days: 1, nowMs })
  const { certificatePem, keyPem } = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'outside',
    dnsNames: [name],
    days: 1,
    nowMs,
  })
  return { caPem: ca.certificatePem, cert: certificatePem + ca.certificatePem, key: keyPem }
}
