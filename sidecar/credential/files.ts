// Credentials from the contents of their files, refused in words for whoever wrote the mesh file.
import { createPrivateKey } from 'node:crypto'
import type { KeyObject, X509Certificate } from 'node:crypto'
import {
  ChainFault,
  maxChainCertificates,
  maxChainLength,
  verifyCertificates,
} from '../../shared/certificate/chain.ts'
import type { AccountKey, Authority, ChainFaultCode } from '../../shared/certificate/chain.ts'
import { keyUsageBits, parseCertificate, readFields } from '../../shared/certificate/fields.ts'
import { parsePem } from '../../shared/certificate/pem.ts'
import { matchAccount, spiffeId } from '../../shared/certificate/spiffe.ts'
import type { TokenForm } from '../../shared/config/mesh.ts'
import { Redacted } from '../../shared/redacted.ts'

/** A credential file that cannot be used. The message says why and never holds a key or token. */
export class CredentialFault extends Error {
  override readonly name = 'CredentialFault'
}

export interface AccountFiles {
  /** The account's certificate, then those of its issuers. */
  readonly certificatePem: string
  readonly keyPem: string
  readonly authority: Authority
  /** The accounts under which this service may call. */
  readonly accounts: ReadonlySet<string>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export interface AccountCredential {
  readonly account: string
  readonly privateKey: KeyObject
  /** Leaf first, without the root: what travels in `x5c`. */
  readonly chain: readonly X509Certificate[]
  /** Hex RFC 7638 thumbprint. */
  readonly keyId: string
  /** End of the validity of the whole path, in milliseconds since the epoch. */
  readonly notAfterMs: number
}

/** The certificate and key of this service's account, verified as every callee will. Throws {@link CredentialFault}. */
export function readAccountCredential(files: AccountFiles): AccountCredential {
  const { authority, accounts } = files
  const certificates = readCertificates(files.certificatePem, 'the certificate file')
  const privateKey = readPrivateKey(files.keyPem)
  const leaf = certificates[0] as X509Certificate
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new CredentialFault(
      "the key does not match the certificate: the certificate file must begin with the account's own certificate, and the key must be the one it was made for",
    )
  }
  const chain = certificates.filter((certificate) => !isRoot(certificate, authority))
  checkSize(chain)
  const { account, keyId, notAfterMs } = verifyFiles(certificates, files)
  if (!accounts.has(account))
    throw new CredentialFault(wrongAccount(spiffeId(authority.issuer, account), files))
  return { account, privateKey, chain, keyId, notAfterMs }
}

/** The roots of a mesh from its `ca` file. Throws {@link CredentialFault}. */
export function parseRoots(pem: string): X509Certificate[] {
  const roots = readCertificates(pem, 'the CA file')
  for (const [index, root] of roots.entries()) {
    const which =
      roots.length === 1 ? 'the certificate in the CA file' : `certificate ${index + 1} of the CA file`
    const { ca, keyUsage } = describeFaults(which, () => readFields(root))
    if (!ca) {
      throw new CredentialFault(
        `${which} is not a certificate authority (no basicConstraints with CA:true), so it cannot certify accounts`,
      )
    }
    if (!keyUsage?.has(keyUsageBits.keyCertSign)) {
      throw new CredentialFault(`${which} may not sign certificates (its keyUsage lacks keyCertSign)`)
    }
  }
  return roots
}

/** A Pomerium service account's token from its file. Throws {@link CredentialFault}. */
export function parsePomeriumToken(text: string): Redacted {
  const token = text.replace(/\r?\n$/, '')
  if (token === '') throw new CredentialFault('the token file is empty')
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new CredentialFault(
      'the token file must hold one JWT (three parts of base64url with dots between them) and nothing else',
    )
  }
  return new Redacted(token)
}

/** The header in which a route's Pomerium takes the token: its name in lower case, and its value, a secret. */
export function pomeriumTokenHeader(form: TokenForm, token: Redacted): [name: string, value: string] {
  if (form === 'header') return ['x-pomerium-authorization', token.expose()]
  // Pomerium compares both prefixes with regard to case.
  return ['authorization', `${form === 'bearer' ? 'Bearer Pomerium-' : 'Pomerium '}${token.expose()}`]
}

function readCertificates(pem: string, file: string): X509Certificate[] {
  const blocks = parsePem(pem)
  if (blocks.length === 0) {
    throw new CredentialFault(`${file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`)
  }
  return blocks.map(({ label, der }, index) => {
    if (label.endsWith('PRIVATE KEY')) {
      throw new CredentialFault(`${file} holds a private key; a key belongs in a file of its own`)
    }
    if (label !== 'CERTIFICATE') throw new CredentialFault(`${file} holds a ${label}, not only certificates`)
    if (der === undefined)
      throw new CredentialFault(`certificate ${index + 1} of ${file} is not valid base64`)
    return describeFaults(`certificate ${index + 1} of ${file}`, () => parseCertificate(der))
  })
}

function describeFaults<T>(which: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error
    throw new CredentialFault(`${which} cannot be used: ${error.message}`)
  }
}

/** An unencrypted EC P-256 key, PKCS #8 or SEC 1. Throws {@link CredentialFault}. */
export function readPrivateKey(pem: string): KeyObject {
  // What OpenSSL says of a bad key is of no use to a reader.
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw new CredentialFault(
      'the key file is encrypted with a passphrase; decrypt it (openssl pkey -in key.pem -out plain.pem) and protect the file by its permissions',
    )
  }
  if (!/-----BEGIN (EC |RSA )?PRIVATE KEY-----/.test(pem)) {
    throw new CredentialFault('the key file holds no private key in PEM (-----BEGIN PRIVATE KEY-----)')
  }
  const key = parsePrivateKey(pem)
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CredentialFault('the key must be an EC key on the curve P-256 (ES256 signs with no other)')
  }
  return key
}

function parsePrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new CredentialFault(
      'the key file cannot be read as a private key: it is damaged or of an unknown kind',
    )
  }
}

function checkSize(chain: readonly X509Certificate[]): void {
  const length = chain.reduce((sum, { raw }) => sum + Math.ceil(raw.length / 3) * 4, 0)
  if (chain.length > maxChainCertificates) {
    throw new CredentialFault(
      `the certificate file holds ${chain.length} certificates besides the root, and at most ${maxChainCertificates} travel in the x5c of an assertion; leave out those that are not needed, or put an intermediate into mesh.ca`,
    )
  }
  if (length > maxChainLength) {
    throw new CredentialFault(
      `the certificates take ${length} bytes in the x5c of an assertion, and at most ${maxChainLength} travel there; use EC keys and fewer names`,
    )
  }
}

function verifyFiles(certificates: readonly X509Certificate[], files: AccountFiles): AccountKey {
  try {
    return verifyCertificates(certificates, files.authority, files.nowMs)
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error
    throw new CredentialFault(describeFault(error.code, error.message, certificates, files))
  }
}

function describeFault(
  code: ChainFaultCode,
  words: string,
  certificates: readonly X509Certificate[],
  files: AccountFiles,
): string {
  const [leaf] = certificates as [X509Certificate]
  switch (code) {
    case 'expired':
    case 'not_yet_valid':
      return describeValidity(certificates, files)
    case 'untrusted':
      return 'the certificate is not signed by mesh.ca, nor is the last of its issuers in the file: check that mesh.ca is the CA that issued it, and that the intermediates between them are in the certificate file'
    case 'account_issuer':
    case 'account_unknown':
      return wrongAccount(readFields(leaf).uriNames.join(', '), files)
    case 'leaf_uri':
      return `the certificate must have exactly one URI name, the SPIFFE id of its account (${expectedIds(files)})`
    case 'leaf_is_ca':
      return "the first certificate of the file is that of a certificate authority; the account's own comes first"
    default:
      return `the certificate cannot be used: ${words}`
  }
}

function describeValidity(
  certificates: readonly X509Certificate[],
  { authority, nowMs }: AccountFiles,
): string {
  for (const certificate of [...certificates, ...authority.roots]) {
    const { notBeforeMs, notAfterMs } = readFields(certificate)
    const which = certificate === certificates[0] ? 'the certificate' : 'the certificate of an issuer'
    if (nowMs > notAfterMs) return `${which} expired on ${isoTime(notAfterMs)}; renew it`
    if (nowMs < notBeforeMs) {
      return `${which} is not valid before ${isoTime(notBeforeMs)}; check the clock of this machine`
    }
  }
  return 'a certificate of the chain is not valid now'
}

function wrongAccount(id: string, files: AccountFiles): string {
  const known = matchAccount(id, files.authority.issuer)
  const issuer = known === undefined ? `; mesh.issuer is ${files.authority.issuer}` : ''
  const which = files.accounts.size === 1 ? "this service's account is" : "this service's accounts are"
  return `the certificate's SPIFFE id is ${id}, but ${which} ${expectedIds(files)}${issuer}`
}

function expectedIds({ authority, accounts }: AccountFiles): string {
  const ids = [...accounts].map((account) => spiffeId(authority.issuer, account))
  return ids.length === 0 ? 'not set (`account` of its route)' : ids.join(', ')
}

function isRoot(certificate: X509Certificate, authority: Authority): boolean {
  return authority.roots.some((root) => root.raw.equals(certificate.raw))
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
