// The certificates that a peer showed in its handshake, as a list.
import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate } from 'node:tls'

/** More are no path to any root of ours. */
const maxCertificates = 10

/** Leaf first; its end may be a root. Empty where none was shown. */
export function shownCertificates(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = []
  // Node gives an empty object in place of none.
  let each: Partial<DetailedPeerCertificate> | undefined = leaf
  while (each?.raw !== undefined && chain.length < maxCertificates) {
    chain.push(new X509Certificate(each.raw))
    const issuer: DetailedPeerCertificate | undefined = each.issuerCertificate
    each = issuer === each ? undefined : issuer
  }
  return chain
}
