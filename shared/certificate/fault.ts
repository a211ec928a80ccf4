// Why a certificate, or a chain of them, does not count: one code per rule.

const messageByCode = {
  malformed: 'a certificate is not the strict DER of an X.509 certificate in standard base64',
  too_many_certificates: 'more than 3 certificates',
  too_large: 'more than 4 KiB of certificates',
  version: 'a certificate is not X.509 version 3',
  duplicate_extension: 'a certificate has an extension twice',
  critical_extension: 'a certificate has a critical extension that is not processed here',
  name_constraints: 'a certificate has name constraints, which are not processed here',
  signature_algorithm: 'a certificate is signed with an algorithm that is weak or not accepted',
  issuer_name: 'a certificate does not name the next one as its issuer',
  issuer_mismatch: 'a certificate names another key of its issuer than the next one holds',
  signature: 'a certificate is not signed by the next one',
  untrusted: 'the chain does not end in a root of this mesh',
  issuer_not_ca: 'an issuer is no certificate authority (basicConstraints without CA:true)',
  issuer_key_usage: 'an issuer may not sign certificates (keyUsage without keyCertSign)',
  issuer_key: 'a key is neither EC (P-256, P-384, P-521) nor RSA of at least 2048 bits',
  path_length: 'an issuer does not allow so many certificates below it (pathLenConstraint)',
  not_yet_valid: 'a certificate is not valid yet',
  expired: 'a certificate has expired',
  leaf_is_ca: "the account's certificate is that of a certificate authority",
  leaf_key_usage: "the account's certificate may not sign (keyUsage without digitalSignature)",
  leaf_key: "the account's key is not EC P-256",
  leaf_uri: "the account's certificate has not exactly one URI name",
  extended_key_usage: 'a certificate is for other uses than those of clients and servers (extendedKeyUsage)',
  account_issuer: 'the URI name is no SPIFFE id of this mesh',
  account_unknown: 'the URI name is that of an account which the mesh file does not know',
} as const

export type ChainFaultCode = keyof typeof messageByCode

export const chainFaultCodes = Object.keys(messageByCode) as readonly ChainFaultCode[]

/** A chain of certificates that does not count. The message holds nothing of what the certificates say. */
export class ChainFault extends Error {
  override readonly name = 'ChainFault'
  readonly code: ChainFaultCode

  constructor(code: ChainFaultCode) {
    super(messageByCode[code])
    this.code = code
  }
}
