// The fields of one X.509 certificate (RFC 5280) that the chain check needs, read from its DER.
import { X509Certificate } from 'node:crypto'
import {
  DerFault,
  expectTag,
  readBits,
  readBoolean,
  readCount,
  readObjectIdentifier,
  readSequence,
  readSingle,
  readTime,
  readValues,
  tags,
} from './der.ts'
import type { DerValue } from './der.ts'
import { ChainFault } from './fault.ts'

export interface CertificateFields {
  readonly certificate: X509Certificate
  /** DER of the issuer's name. */
  readonly issuerName: Buffer
  /** DER of the subject's name. */
  readonly subjectName: Buffer
  /** Object identifier; the one under the signature and the one beside it are the same. */
  readonly signatureAlgorithm: string
  /** Object identifier, for an EC key on a named curve followed by `/` and that of the curve. */
  readonly keyAlgorithm: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly ca: boolean
  /** How many certificates may stand between this one and the leaf; undefined: any number. */
  readonly pathLength: number | undefined
  /** Undefined: the certificate does not say. */
  readonly keyUsage: ReadonlySet<number> | undefined
  /** Object identifiers. Undefined: the certificate does not say. */
  readonly extendedKeyUsage: ReadonlySet<string> | undefined
  readonly uriNames: readonly string[]
}

/** Bits of keyUsage (RFC 5280 section 4.2.1.3). */
export const keyUsageBits = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const

interface Extension {
  readonly critical: boolean
  readonly content: Buffer
}

type Extensions = ReadonlyMap<string, Extension>

const extensionIds = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
} as const

const processedExtensions: ReadonlySet<string> = new Set([
  extensionIds.keyUsage,
  extensionIds.subjectAltName,
  extensionIds.basicConstraints,
  extensionIds.extendedKeyUsage,
])

const contextTag = { version: 0xa0, extensions: 0xa3 } as const
const uriNameTag = 0x86
// otherName, rfc822Name, dNSName, x400Address, directoryName, ediPartyName, URI, iPAddress, registeredID
const generalNameTags: ReadonlySet<number> = new Set([
  0xa0,
  0x81,
  0x82,
  0xa3,
  0xa4,
  0xa5,
  uriNameTag,
  0x87,
  0x88,
])

/** A certificate from its DER. Throws {@link ChainFault} `malformed`. */
export function parseCertificate(der: Buffer): X509Certificate {
  try {
    // Node would also take PEM here, and bytes after the certificate.
    readSingle(der, tags.sequence)
    const certificate = new X509Certificate(der)
    // OpenSSL also takes what it would not write like that.
    if (certificate.raw.equals(der)) return certificate
  } catch {
    // As below.
  }
  throw new ChainFault('malformed')
}

/**
 * Reads a certificate and refuses what no certificate of a chain may have. Throws {@link ChainFault}
 * with `malformed`, `version`, `duplicate_extension`, `critical_extension` or `name_constraints`.
 */
export function readFields(certificate: X509Certificate): CertificateFields {
  try {
    return readCertificate(certificate)
  } catch (error) {
    if (error instanceof DerFault) throw new ChainFault('malformed')
    throw error
  }
}

function readCertificate(certificate: X509Certificate): CertificateFields {
  const [body, outerAlgorithm, signature, ...beyond] = readSequence(
    readSingle(certificate.raw, tags.sequence),
  )
  // No algorithm has a signature of other than whole octets.
  if (expectTag(signature, tags.bitString).content[0] !== 0) throw new DerFault('signature with stray bits')
  const parts = readSequence(body)
  if (parts[0]?.tag !== contextTag.version) throw new ChainFault('version')
  if (readCount(readSingle(parts[0].content, tags.integer)) !== 2) throw new ChainFault('version')

  const [, serial, algorithm, issuer, validity, subject, publicKey, extensionsPart, ...further] = parts
  if (beyond.length > 0 || further.length > 0) throw new DerFault('more parts than known')
  expectTag(serial, tags.integer)
  const signatureAlgorithm = expectTag(algorithm, tags.sequence)
  if (!signatureAlgorithm.encoded.equals(expectTag(outerAlgorithm, tags.sequence).encoded)) {
    throw new DerFault('two signature algorithms')
  }
  const [notBefore, notAfter, ...beyondValidity] = readSequence(validity)
  if (beyondValidity.length > 0) throw new DerFault('more than two times')
  const extensions = readExtensions(extensionsPart)

  return {
    certificate,
    issuerName: expectTag(issuer, tags.sequence).encoded,
    subjectName: expectTag(subject, tags.sequence).encoded,
    signatureAlgorithm: readObjectIdentifier(readSequence(signatureAlgorithm)[0]),
    keyAlgorithm: readKeyAlgorithm(publicKey),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    ...readBasicConstraints(extensions),
    keyUsage: readKeyUsage(extensions),
    extendedKeyUsage: readExtendedKeyUsage(extensions),
    uriNames: readUriNames(extensions),
  }
}

function readKeyAlgorithm(publicKey: DerValue | undefined): string {
  const [id, parameters] = readSequence(readSequence(publicKey)[0])
  const algorithm = readObjectIdentifier(id)
  // A curve given by explicit parameters is no named curve, whatever its parameters are.
  return parameters?.tag === tags.objectIdentifier
    ? `${algorithm}/${readObjectIdentifier(parameters)}`
    : algorithm
}

function readExtensions(part: DerValue | undefined): Extensions {
  const extensions = new Map<string, Extension>()
  if (part === undefined) return extensions
  const list = readSequence(readSingle(expectTag(part, contextTag.extensions).content, tags.sequence))
  for (const value of list) {
    const { id, ...extension } = readExtension(value)
    if (extensions.has(id)) throw new ChainFault('duplicate_extension')
    if (id === extensionIds.nameConstraints) throw new ChainFault('name_constraints')
    if (extension.critical && !processedExtensions.has(id)) throw new ChainFault('critical_extension')
    extensions.set(id, extension)
  }
  return extensions
}

function readExtension(value: DerValue): Extension & { readonly id: string } {
  const parts = readSequence(value)
  const flag = parts.length === 3 ? parts[1] : undefined
  if (parts.length !== 2 && parts.length !== 3) throw new DerFault('no extension')
  return {
    id: readObjectIdentifier(parts[0]),
    // DER leaves a default out; some authorities write `critical: FALSE` all the same, and it means that.
    critical: flag !== undefined && readBoolean(flag),
    content: expectTag(parts.at(-1), tags.octetString).content,
  }
}

function readBasicConstraints(extensions: Extensions): { ca: boolean; pathLength: number | undefined } {
  const extension = extensions.get(extensionIds.basicConstraints)
  if (extension === undefined) return { ca: false, pathLength: undefined }
  const parts = readSequence(readSingle(extension.content, tags.sequence))
  const flag = parts[0]?.tag === tags.boolean ? parts.shift() : undefined
  const ca = flag !== undefined && readBoolean(flag)
  const [limit, ...beyond] = parts
  if (beyond.length > 0 || (limit !== undefined && !ca)) throw new DerFault('no basic constraints')
  return { ca, pathLength: limit === undefined ? undefined : readCount(limit) }
}

function readKeyUsage(extensions: Extensions): ReadonlySet<number> | undefined {
  const extension = extensions.get(extensionIds.keyUsage)
  return extension && readBits(readSingle(extension.content, tags.bitString))
}

function readExtendedKeyUsage(extensions: Extensions): ReadonlySet<string> | undefined {
  const extension = extensions.get(extensionIds.extendedKeyUsage)
  if (extension === undefined) return undefined
  const usages = readSequence(readSingle(extension.content, tags.sequence))
  return new Set(usages.map((usage) => readObjectIdentifier(usage)))
}

function readUriNames(extensions: Extensions): string[] {
  const extension = extensions.get(extensionIds.subjectAltName)
  if (extension === undefined) return []
  const names = readValues(readSingle(extension.content, tags.sequence).content)
  if (names.some((name) => !generalNameTags.has(name.tag))) throw new DerFault('unknown kind of name')
  return names.filter((name) => name.tag === uriNameTag).map((name) => readUri(name.content))
}

function readUri(content: Buffer): string {
  if (content.some((octet) => octet < 0x21 || octet > 0x7e)) throw new DerFault('no URI')
  return content.toString('latin1')
}
