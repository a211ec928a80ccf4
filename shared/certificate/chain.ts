// Whether a chain of certificates shows that a key is that of an account (RFC 5280 section 6).
import type { KeyObject, X509Certificate } from 'node:crypto'
import { ChainFault } from './fault.ts'
import { keyUsageBits, parseCertificate, readFields } from './fields.ts'
import type { CertificateFields } from './fields.ts'
import { matchAccount } from './spiffe.ts'
import { keyThumbprint } from './thumbprint.ts'

export { ChainFault } from './fault.ts'
export type { ChainFaultCode } from './fault.ts'

/** Who may certify accounts, and which. */
export interface Authority {
  readonly name: string
  /** The trust domain of its accounts' SPIFFE ids. */
  readonly issuer: string
  readonly accounts: ReadonlySet<string>
  readonly roots: readonly X509Certificate[]
}

/** A key that was shown to be an account's. */
export interface AccountKey {
  readonly account: string
  /** Lower-case hex RFC 7638 SHA-256 thumbprint. */
  readonly keyId: string
  readonly key: KeyObject
  /** Milliseconds since the epoch; the latest of the whole path. */
  readonly notBeforeMs: number
  /** Milliseconds since the epoch; the earliest of the whole path. */
  readonly notAfterMs: number
}

/** Whom a certificate that was shown in TLS names. */
export interface PeerName extends AccountKey {
  /** The SPIFFE id. */
  readonly uri: string
  /** The authority that certifies it. */
  readonly authority: string
  /** Whether it is an account that the mesh file knows. */
  readonly isAccount: boolean
}

/** How many certificates travel in `x5c`. */
export const maxChainCertificates = 3
/** How long they may be together, in characters of base64. */
export const maxChainLength = 4096

const signatureAlgorithms: ReadonlySet<string> = new Set([
  '1.2.840.10045.4.3.2', // ecdsa-with-SHA256
  '1.2.840.10045.4.3.3', // ecdsa-with-SHA384
  '1.2.840.10045.4.3.4', // ecdsa-with-SHA512
  '1.2.840.113549.1.1.11', // sha256WithRSAEncryption
  '1.2.840.113549.1.1.12', // sha384WithRSAEncryption
  '1.2.840.113549.1.1.13', // sha512WithRSAEncryption
])
const p256 = '1.2.840.10045.2.1/1.2.840.10045.3.1.7'
const issuerCurves: ReadonlySet<string> = new Set([
  p256,
  '1.2.840.10045.2.1/1.3.132.0.34', // P-384
  '1.2.840.10045.2.1/1.3.132.0.35', // P-521
])
const rsaKey = '1.2.840.113549.1.1.1'
const minRsaBits = 2048
const usages = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const
const anyUsage = '2.5.29.37.0'
const acceptedUsages = [usages.server, usages.client, anyUsage]

/**
 * Verifies the certificates of an `x5c` header (RFC 7515 section 4.1.6: standard base64 of DER, leaf
 * first). Throws {@link ChainFault}.
 */
export function verifyAccountChain(x5c: readonly string[], authority: Authority, nowMs: number): AccountKey {
  if (x5c.length > maxChainCertificates) throw new ChainFault('too_many_certificates')
  if (x5c.join('').length > maxChainLength) throw new ChainFault('too_large')
  const chain = x5c.map((text) => parseCertificate(decodeBase64(text)))
  return verifyCertificates(chain, authority, nowMs)
}

/**
 * Verifies certificates, leaf first. Each must have been issued by the next, and the last by a root of
 * the authority, or be one. Throws {@link ChainFault}.
 */
export function verifyCertificates(
  chain: readonly X509Certificate[],
  authority: Authority,
  nowMs: number,
): AccountKey {
  const path = readChain(chain)
  const [leaf] = path
  checkLeaf(leaf)
  if (leaf.keyAlgorithm !== p256) throw new ChainFault('leaf_key')
  const account = accountOf(leaf, authority)
  if (!authority.accounts.has(account)) throw new ChainFault('account_unknown')
  return verifyToAuthority(path, authority, account, nowMs)
}

/**
 * Verifies certificates that were shown in TLS, leaf first, by the rules of {@link verifyCertificates}; but they may name
 * somebody whom the mesh file does not know as an account, with any key that issuers may have. Throws {@link ChainFault}.
 * @param role in which the certificate was shown.
 */
export function verifyPeerCertificates(
  chain: readonly X509Certificate[],
  authority: Authority,
  role: 'client' | 'server',
  nowMs: number,
): PeerName {
  const path = readChain(chain)
  const [leaf] = path
  checkLeaf(leaf)
  checkRole(leaf, role)
  const account = accountOf(leaf, authority)
  const isAccount = authority.accounts.has(account)
  if (isAccount && leaf.keyAlgorithm !== p256) throw new ChainFault('leaf_key')
  if (!isAccount) checkKey(leaf)
  const key = verifyToAuthority(path, authority, account, nowMs)
  return { ...key, uri: leaf.uriNames[0] as string, authority: authority.name, isAccount }
}

type Path = readonly [leaf: CertificateFields, ...issuers: CertificateFields[]]

function readChain(chain: readonly X509Certificate[]): Path {
  const [leaf, ...issuers] = chain.map((certificate) => readFields(certificate))
  if (leaf === undefined) throw new ChainFault('malformed')
  return [leaf, ...issuers]
}

function verifyToAuthority(
  [leaf, ...issuers]: Path,
  authority: Authority,
  account: string,
  nowMs: number,
): AccountKey {
  const last = issuers.at(-1)
  // Only an issuer can be a root: an account's certificate among the roots certifies nothing, not even itself.
  if (last !== undefined && authority.roots.some((root) => root.raw.equals(last.certificate.raw))) {
    return verifyPath(leaf, issuers, account, nowMs)
  }
  return verifyUpToRoots(leaf, issuers, authority, account, nowMs)
}

/** Roots may share a name, and even a key (a renewed root): one that makes a good path is enough. */
function verifyUpToRoots(
  leaf: CertificateFields,
  issuers: readonly CertificateFields[],
  authority: Authority,
  account: string,
  nowMs: number,
): AccountKey {
  const last = issuers.at(-1) ?? leaf
  let firstFault: ChainFault | undefined
  for (const root of authority.roots) {
    try {
      const fields = readFields(root)
      if (!isIssuerOf(fields, last)) continue
      return verifyPath(leaf, [...issuers, fields], account, nowMs)
    } catch (error) {
      if (!(error instanceof ChainFault)) throw error
      firstFault ??= error
    }
  }
  throw firstFault ?? new ChainFault('untrusted')
}

function verifyPath(
  leaf: CertificateFields,
  issuers: readonly CertificateFields[],
  account: string,
  nowMs: number,
): AccountKey {
  const path = [leaf, ...issuers]
  for (const certificate of path) checkUse(certificate, nowMs)
  for (const [below, issuer] of issuers.entries()) {
    checkIssuer(issuer, below)
    checkLink(path[below] as CertificateFields, issuer)
  }
  const key = publicKeyOf(leaf)
  return {
    account,
    keyId: keyThumbprint(key),
    key,
    notBeforeMs: Math.max(...path.map((certificate) => certificate.notBeforeMs)),
    notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)),
  }
}

function checkLeaf(leaf: CertificateFields): void {
  const { ca, keyUsage } = leaf
  if (ca || keyUsage?.has(keyUsageBits.keyCertSign) || keyUsage?.has(keyUsageBits.crlSign)) {
    throw new ChainFault('leaf_is_ca')
  }
  if (!keyUsage?.has(keyUsageBits.digitalSignature)) throw new ChainFault('leaf_key_usage')
}

/** RFC 5280 section 4.2.1.12. */
function checkRole({ extendedKeyUsage }: CertificateFields, role: 'client' | 'server'): void {
  if (extendedKeyUsage === undefined) return
  if (extendedKeyUsage.has(usages[role]) || extendedKeyUsage.has(anyUsage)) return
  throw new ChainFault('extended_key_usage')
}

function accountOf(leaf: CertificateFields, authority: Authority): string {
  const [uri, ...others] = leaf.uriNames
  if (uri === undefined || others.length > 0) throw new ChainFault('leaf_uri')
  const account = matchAccount(uri, authority.issuer)
  if (account === undefined) throw new ChainFault('account_issuer')
  return account
}

/** What holds for every certificate of a path, the root's among them. */
function checkUse(certificate: CertificateFields, nowMs: number): void {
  const { extendedKeyUsage, notBeforeMs, notAfterMs } = certificate
  if (extendedKeyUsage !== undefined && !acceptedUsages.some((usage) => extendedKeyUsage.has(usage))) {
    throw new ChainFault('extended_key_usage')
  }
  if (!(nowMs >= notBeforeMs)) throw new ChainFault('not_yet_valid')
  if (!(nowMs <= notAfterMs)) throw new ChainFault('expired')
}

/** `below`: how many certificates stand between this issuer and the leaf. */
function checkIssuer(issuer: CertificateFields, below: number): void {
  if (!issuer.ca) throw new ChainFault('issuer_not_ca')
  if (!issuer.keyUsage?.has(keyUsageBits.keyCertSign)) throw new ChainFault('issuer_key_usage')
  if (issuer.pathLength !== undefined && below > issuer.pathLength) throw new ChainFault('path_length')
  checkKey(issuer)
}

function checkKey(fields: CertificateFields): void {
  if (issuerCurves.has(fields.keyAlgorithm)) return
  const bits = publicKeyOf(fields).asymmetricKeyDetails?.modulusLength ?? 0
  if (fields.keyAlgorithm !== rsaKey || bits < minRsaBits) throw new ChainFault('issuer_key')
}

function checkLink(subject: CertificateFields, issuer: CertificateFields): void {
  if (!signatureAlgorithms.has(subject.signatureAlgorithm)) throw new ChainFault('signature_algorithm')
  if (!subject.issuerName.equals(issuer.subjectName)) throw new ChainFault('issuer_name')
  if (!isSignedBy(subject, issuer)) throw new ChainFault('signature')
  // Compares the authority key identifier too.
  if (!subject.certificate.checkIssued(issuer.certificate)) throw new ChainFault('issuer_mismatch')
}

function isIssuerOf(issuer: CertificateFields, subject: CertificateFields): boolean {
  return subject.issuerName.equals(issuer.subjectName) && isSignedBy(subject, issuer)
}

function isSignedBy(subject: CertificateFields, issuer: CertificateFields): boolean {
  try {
    return subject.certificate.verify(issuer.certificate.publicKey)
  } catch {
    return false
  }
}

function publicKeyOf(fields: CertificateFields): KeyObject {
  try {
    return fields.certificate.publicKey
  } catch {
    throw new ChainFault('malformed')
  }
}

function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new ChainFault('malformed')
  return bytes
}
