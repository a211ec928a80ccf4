// Makes any certificate for tests, good or evil, by writing its DER and signing it.
import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Authority } from '../../shared/certificate/chain.ts'
import { commonName, der, integer, nothing, objectId, sequence, time, yes } from './der.ts'

/** The frozen clock around which certificates are valid by default. */
export const clockMs = Date.UTC(2026, 0, 15, 12)
const hourMs = 3_600_000
const dayMs = 24 * hourMs

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export function makeEcKeys(namedCurve = 'P-256'): KeyPair {
  return generateKeyPairSync('ec', { namedCurve })
}

export function makeRsaKeys(modulusLength: number): KeyPair {
  return generateKeyPairSync('rsa', { modulusLength })
}

/** RSA keys that their algorithm identifier restricts to RSASSA-PSS. */
export function makeRsaPssKeys(modulusLength: number): KeyPair {
  return generateKeyPairSync('rsa-pss', { modulusLength })
}

export function makeEd25519Keys(): KeyPair {
  return generateKeyPairSync('ed25519')
}

export interface TestExtension {
  readonly id: string
  readonly der: Buffer
}

export function extension(id: string, critical: boolean, content: Buffer): TestExtension {
  return { id, der: sequence(objectId(id), ...(critical ? [yes] : []), der(0x04, content)) }
}

export const extensionIds = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const

export function basicConstraints(ca: boolean, pathLength?: number, critical = true): TestExtension {
  const parts = [...(ca ? [yes] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])]
  return extension(extensionIds.basicConstraints, critical, sequence(...parts))
}

const usageBits = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, cRLSign: 0x02 } as const
export type TestUsage = keyof typeof usageBits

export function keyUsage(...usages: TestUsage[]): TestExtension {
  const octet = usages.reduce((sum, usage) => sum | usageBits[usage], 0)
  const unused = octet === 0 ? 0 : 31 - Math.clz32(octet & -octet)
  return extension(extensionIds.keyUsage, true, der(0x03, octet === 0 ? [0] : [unused, octet]))
}

export const usageIds = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  any: '2.5.29.37.0',
} as const

export function extendedKeyUsage(...ids: string[]): TestExtension {
  return extension(extensionIds.extendedKeyUsage, false, sequence(...ids.map(objectId)))
}

export const uriName = (uri: string): Buffer => der(0x86, Buffer.from(uri, 'latin1'))
export const dnsName = (name: string): Buffer => der(0x82, Buffer.from(name, 'latin1'))
export const mailName = (name: string): Buffer => der(0x81, Buffer.from(name, 'latin1'))

export function subjectAltName(...names: Buffer[]): TestExtension {
  return extension(extensionIds.subjectAltName, false, sequence(...names))
}

/** `permitted: uri mesh.example.com`. */
export function nameConstraints(critical: boolean): TestExtension {
  const subtree = sequence(der(0x86, Buffer.from('mesh.example.com')))
  return extension(extensionIds.nameConstraints, critical, sequence(der(0xa0, subtree)))
}

export function subjectKeyId(keyId: Buffer): TestExtension {
  return extension(extensionIds.subjectKeyId, false, der(0x04, keyId))
}

export function authorityKeyId(keyId: Buffer): TestExtension {
  return extension(extensionIds.authorityKeyId, false, sequence(der(0x80, keyId)))
}

/** SHA-1 of the public key info, the usual key identifier. */
export function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

export function toPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

export interface CertificateShape {
  readonly subject: string
  readonly issuer: string
  readonly keys: KeyPair
  /** Who signs. */
  readonly signer: KeyObject
  readonly hash: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** 2 stands for X.509 v3; undefined leaves the version out (v1). */
  readonly version: number | undefined
  /** An empty list leaves the extensions out. */
  readonly extensions: readonly TestExtension[]
  /** DER of the public key info, where it shall not be that of `keys`. */
  readonly publicKey: Buffer | undefined
  /** DER of the algorithm beside the signature, where it shall not be that under it. */
  readonly outerAlgorithm: Buffer | undefined
  /** Last change to the fields that are signed. */
  readonly patch: (fields: Buffer[]) => Buffer[]
}

export interface TestCertificate {
  readonly certificate: X509Certificate
  readonly der: Buffer
  /** As it stands in `x5c`. */
  readonly base64: string
  readonly pem: string
  readonly keys: KeyPair
  /** PKCS #8. */
  readonly keyPem: string
  readonly shape: CertificateShape
}

const signatureIds: Readonly<Record<string, string>> = {
  'ec sha1': '1.2.840.10045.4.1',
  'ec sha256': '1.2.840.10045.4.3.2',
  'ec sha384': '1.2.840.10045.4.3.3',
  'ec sha512': '1.2.840.10045.4.3.4',
  'rsa md5': '1.2.840.113549.1.1.4',
  'rsa sha1': '1.2.840.113549.1.1.5',
  'rsa sha256': '1.2.840.113549.1.1.11',
  'rsa sha384': '1.2.840.113549.1.1.12',
  'rsa sha512': '1.2.840.113549.1.1.13',
  'rsa-pss sha256': '1.2.840.113549.1.1.10',
  'ed25519 sha256': '1.3.101.112',
}

/** The algorithm identifier of a signature. */
export function signatureAlgorithm(signer: KeyObject, hash: string): Buffer {
  const id = signatureIds[`${signer.asymmetricKeyType} ${hash}`]
  if (id === undefined) throw new Error(`no signature algorithm for ${signer.asymmetricKeyType} ${hash}`)
  return sequence(objectId(id), ...(signer.asymmetricKeyType === 'rsa' ? [nothing] : []))
}

let serial = 0x1000

/** The DER of a certificate of any shape. */
export function makeDer(shape: CertificateShape): Buffer {
  const algorithm = signatureAlgorithm(shape.signer, shape.hash)
  const extensions = sequence(...shape.extensions.map((one) => one.der))
  const fields = [
    ...(shape.version === undefined ? [] : [der(0xa0, integer(shape.version))]),
    integer(serial++),
    algorithm,
    commonName(shape.issuer),
    sequence(time(shape.notBeforeMs), time(shape.notAfterMs)),
    commonName(shape.subject),
    shape.publicKey ?? shape.keys.publicKey.export({ type: 'spki', format: 'der' }),
    ...(shape.extensions.length === 0 ? [] : [der(0xa3, extensions)]),
  ]
  const body = sequence(...shape.patch(fields))
  const hash = shape.signer.asymmetricKeyType === 'ed25519' ? null : shape.hash
  return sequence(body, shape.outerAlgorithm ?? algorithm, der(0x03, [0], sign(hash, body, shape.signer)))
}

export function makeCertificate(shape: CertificateShape): TestCertificate {
  const bytes = makeDer(shape)
  return {
    // Made on demand: what is evil enough, OpenSSL does not read at all.
    get certificate() {
      return new X509Certificate(bytes)
    },
    der: bytes,
    base64: bytes.toString('base64'),
    pem: toPem('CERTIFICATE', bytes),
    keys: shape.keys,
    keyPem: shape.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    shape,
  }
}

function defaults(keys: KeyPair): Omit<CertificateShape, 'subject' | 'issuer' | 'signer' | 'extensions'> {
  return {
    keys,
    hash: 'sha256',
    notBeforeMs: clockMs - hourMs,
    notAfterMs: clockMs + 90 * dayMs,
    version: 2,
    publicKey: undefined,
    outerAlgorithm: undefined,
    patch: (fields) => fields,
  }
}

/** A root, good but for what `changes` says. */
export function makeRoot(changes: Partial<CertificateShape> = {}): TestCertificate {
  const keys = changes.keys ?? makeEcKeys()
  return makeCertificate({
    ...defaults(keys),
    subject: 'Test Root',
    issuer: changes.subject ?? 'Test Root',
    signer: keys.privateKey,
    extensions: [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')],
    ...changes,
  })
}

/** A certificate authority below another, good but for what `changes` says. */
export function makeIntermediate(
  issuer: TestCertificate,
  changes: Partial<CertificateShape> = {},
): TestCertificate {
  const keys = changes.keys ?? makeEcKeys()
  return makeCertificate({
    ...defaults(keys),
    subject: 'Test Intermediate',
    issuer: issuer.shape.subject,
    signer: issuer.keys.privateKey,
    extensions: [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')],
    ...changes,
  })
}

/** An account's certificate, good but for what `changes` says. */
export function makeLeaf(
  issuer: TestCertificate,
  uri: string,
  changes: Partial<CertificateShape> = {},
): TestCertificate {
  const keys = changes.keys ?? makeEcKeys()
  return makeCertificate({
    ...defaults(keys),
    subject: 'Test Account',
    issuer: issuer.shape.subject,
    signer: issuer.keys.privateKey,
    extensions: leafExtensions(uri),
    ...changes,
  })
}

/** The extensions of a good account's certificate, with some of them replaced (by kind) and others added. */
export function leafExtensions(uri: string, ...replaced: TestExtension[]): TestExtension[] {
  const standard = [
    basicConstraints(false),
    keyUsage('digitalSignature'),
    extendedKeyUsage(usageIds.clientAuth, usageIds.serverAuth),
    subjectAltName(uriName(uri)),
  ]
  const kept = standard.filter((one) => !replaced.some((other) => other.id === one.id))
  return [...kept, ...replaced]
}

/** The extensions of a good account's certificate without one of them. */
export function leafExtensionsWithout(uri: string, id: string): TestExtension[] {
  return leafExtensions(uri).filter((one) => one.id !== id)
}

export interface TestMesh {
  readonly authority: Authority
  readonly root: TestCertificate
  /** A good certificate of an account, signed by the root. */
  issue(account: string, changes?: Partial<CertificateShape>): TestCertificate
}

/** A mesh with a root of its own. */
export function makeMesh(issuer: string, accounts: readonly string[], name = 'mesh'): TestMesh {
  const root = makeRoot()
  return {
    authority: { name, issuer, accounts: new Set(accounts), roots: [root.certificate] },
    root,
    issue: (account, changes) => makeLeaf(root, `spiffe://${issuer}/${account}`, changes),
  }
}
