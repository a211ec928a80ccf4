// A small certificate authority for laptops and tests: a root, and certificates of accounts below it.
import { createPublicKey, KeyObject, X509Certificate } from 'node:crypto'
import { ChainFault, verifyCertificates } from '../shared/certificate/chain.ts'
import { readFields } from '../shared/certificate/fields.ts'
import {
  isAccountName,
  isTrustDomain,
  matchIssuer,
  spiffeId,
  trustDomainId,
} from '../shared/certificate/spiffe.ts'
import { CredentialFault, parseRoots, readPrivateKey } from './credential/files.ts'

/** A certificate and the key it was made for. */
export interface Certified {
  readonly certificatePem: string
  /** PKCS #8. A secret. */
  readonly keyPem: string
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number
}

export interface AuthorityRequest {
  /** The mesh whose accounts it certifies. */
  readonly issuer: string
  readonly days: number
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export interface AccountRequest {
  /** The CA's own certificate and key. */
  readonly caPem: string
  readonly caKeyPem: string
  /** Undefined: the one that the CA was made for. */
  readonly issuer: string | undefined
  readonly account: string
  readonly dnsNames: readonly string[]
  readonly days: number
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000
/** For machines whose clock is a little behind. */
const backdateMs = 60_000
const maxCommonName = 64
const dnsName = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

/** Makes a root for a mesh. It may certify accounts, and no further authority. Throws {@link CredentialFault}. */
export async function createAuthority({ issuer, days, nowMs }: AuthorityRequest): Promise<Certified> {
  checkIssuer(issuer)
  const x509 = await loadX509()
  const keys = await generateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [issuer.slice(0, maxCommonName)] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + days * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      // The SPIFFE id of a trust domain: by it `issue` knows the mesh.
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: trustDomainId(issuer) }]),
    ],
  })
  return certified(certificate.toString('pem'), keys)
}

/** Certifies a new key of an account. Throws {@link CredentialFault}. */
export async function issueAccount(request: AccountRequest): Promise<Certified> {
  const { ca, caKey } = readAuthority(request)
  const issuer = request.issuer ?? issuerOf(ca)
  checkIssuer(issuer)
  checkAccount(request)
  const { notAfterMs } = readFields(ca)
  if (request.nowMs > notAfterMs) {
    throw new CredentialFault(`the CA expired on ${new Date(notAfterMs).toISOString()}; make a new one`)
  }

  const x509 = await loadX509()
  const keys = await generateKeys()
  const authority = new x509.X509Certificate(ca.raw)
  const authorityKeyId = authority.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [request.account.slice(0, maxCommonName)] }],
    issuer: authority.subjectName,
    publicKey: keys.publicKey,
    signingKey: caKey.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    notBefore: new Date(request.nowMs - backdateMs),
    notAfter: new Date(Math.min(request.nowMs + request.days * dayMs, notAfterMs)),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.clientAuth,
        x509.ExtendedKeyUsage.serverAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: spiffeId(issuer, request.account) },
        ...request.dnsNames.map((name) => ({ type: 'dns' as const, value: name })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(authorityKeyId === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(authorityKeyId)]),
    ],
  })
  const issued = certified(certificate.toString('pem'), keys)
  checkAccepted(issued, ca, issuer, request)
  return issued
}

/** Loaded when a certificate is made, and by nothing else of the sidecar. */
async function loadX509() {
  // A library beneath it refuses to load without these three of the Reflect metadata proposal, and uses
  // them only for constructor parameters to inject, of which there are none here.
  if (!('getMetadata' in Reflect)) {
    Object.assign(Reflect, { getMetadata: nothing, getOwnMetadata: nothing, defineMetadata: nothing })
  }
  return import('@peculiar/x509')
}

function nothing(): undefined {
  return undefined
}

function generateKeys() {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

type KeyPair = Awaited<ReturnType<typeof generateKeys>>

function certified(pem: string, { privateKey }: KeyPair): Certified {
  const certificatePem = `${pem.trimEnd()}\n`
  return {
    certificatePem,
    keyPem: KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }),
    notAfterMs: readFields(new X509Certificate(certificatePem)).notAfterMs,
  }
}

function readAuthority({ caPem, caKeyPem }: AccountRequest): { ca: X509Certificate; caKey: KeyObject } {
  const [ca, ...others] = parseRoots(caPem) as [X509Certificate, ...X509Certificate[]]
  if (others.length > 0)
    throw new CredentialFault('the CA file holds several certificates; give the one to issue by')
  const caKey = readPrivateKey(caKeyPem)
  if (!ca.publicKey.equals(createPublicKey(caKey)))
    throw new CredentialFault('the CA key does not match the CA')
  return { ca, caKey }
}

function issuerOf(ca: X509Certificate): string {
  const issuer = readFields(ca)
    .uriNames.map((name) => matchIssuer(name))
    .find((name) => name !== undefined)
  if (issuer === undefined)
    throw new CredentialFault('the CA does not say which mesh it is for; give --issuer')
  return issuer
}

function checkIssuer(issuer: string): void {
  if (isTrustDomain(issuer)) return
  throw new CredentialFault(
    `"${issuer}" cannot be a mesh issuer: give a name in lower case without scheme, port or path, as in mesh.example.com`,
  )
}

function checkAccount({ account, dnsNames }: AccountRequest): void {
  if (!isAccountName(account)) {
    throw new CredentialFault(
      `"${account}" cannot be an account: give letters, digits, ".", "_" and "-", in parts between slashes, as in api-access or ns/shop/sa/app`,
    )
  }
  const wrong = dnsNames.find((name) => !dnsName.test(name))
  if (wrong !== undefined) throw new CredentialFault(`"${wrong}" is no DNS name in lower case`)
}

/** What no sidecar would accept is not handed out. */
function checkAccepted(
  issued: Certified,
  ca: X509Certificate,
  issuer: string,
  request: AccountRequest,
): void {
  const authority = { name: 'mesh', issuer, accounts: new Set([request.account]), roots: [ca] }
  try {
    verifyCertificates([new X509Certificate(issued.certificatePem)], authority, request.nowMs)
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error
    throw new CredentialFault(`sidecars would not accept a certificate of this CA: ${error.message}`)
  }
}
