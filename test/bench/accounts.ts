// The accounts of a mesh in which users come in far away, and services call each other until they reach App.
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createAuthority, issueAccount, type Certified } from '../../sidecar/ca.ts'
import type { Bed } from './bed.ts'
import type { Hop } from './links.ts'
import { host } from './users.ts'

export const meshIssuer = 'mesh.companydomain.com'

export interface Authority {
  readonly certified: Certified
  /** Its certificate in PEM. */
  readonly file: string
}

export async function makeAuthority({ folder }: Bed): Promise<Authority> {
  const certified = await createAuthority({ issuer: meshIssuer, days: 1, nowMs: Date.now() })
  const file = path.join(folder, 'ca.pem')
  await writeFile(file, certified.certificatePem)
  return { certified, file }
}

export function certify({ certified }: Authority, account: string): Promise<Certified> {
  const { certificatePem: caPem, keyPem: caKeyPem } = certified
  const request = { caPem, caKeyPem, issuer: meshIssuer, account, dnsNames: [], days: 1 }
  return issueAccount({ ...request, nowMs: Date.now() })
}

export const stationName = (index: number) => `Station${index}`
export const stationHost = (index: number) => `station-${index}.localhost.pomerium.io`
export const stationAccount = (index: number) => `station-${index}`

/** The calls of a user's request: from station 0, where users come in, by as many stations as there are hops, to App. */
export async function makeWay(authority: Authority, count: number): Promise<Hop[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { certificatePem, keyPem } = await certify(authority, stationAccount(index))
      const isLast = index === count - 1
      return {
        issuer: meshIssuer,
        account: stationAccount(index),
        kid: keyThumbprint(createPublicKey(keyPem)),
        privateKey: createPrivateKey(keyPem),
        x5c: [new X509Certificate(certificatePem).raw.toString('base64')],
        audience: isLast ? host : stationHost(index + 1),
        route: isLast ? 'App' : stationName(index + 1),
      }
    }),
  )
}
