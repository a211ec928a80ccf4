// Certificates in DER, beside node:crypto: of what we take the fields are those that OpenSSL finds, and no byte is lost.
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { DerFault, readValues } from '../../shared/certificate/der.ts'
import { ChainFault } from '../../shared/certificate/fault.ts'
import {
  keyUsageBits,
  parseCertificate,
  readFields,
  type CertificateFields,
} from '../../shared/certificate/fields.ts'
import { makeIntermediate, makeLeaf, makeRoot } from '../support/certificates.ts'
import { fuzz } from './fuzz.ts'
import { mutated, spliced } from './mutation.ts'

const root = makeRoot()
const intermediate = makeIntermediate(root)
const leaf = makeLeaf(intermediate, 'spiffe://mesh.example.com/a')
const texts = [root, intermediate, leaf].map(({ der }) => der.toString('latin1'))
const pieces =
  '\x00\x01\x02\x03\x04\x05\x06\x0c\x13\x17\x18\x30\x31\x80\x81\x82\x83\x84\x86\x9f\xa0\xa3\xff\x7f'.split('')

function orFault<T>(read: () => T, Fault: typeof DerFault | typeof ChainFault): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  }
}

fuzz('certificates', { cases: 5_000, atLeast: { outcome: 'the same', oneIn: 16 } }, (chance) => {
  const any = () => texts[chance(texts.length)] as string
  const text = chance(16) === 0 ? spliced(any(), any(), chance) : any()
  const bytes = Buffer.from(mutated(text, pieces, chance), 'latin1')
  const values = orFault(() => readValues(bytes), DerFault)
  if (values !== undefined) assert.deepEqual(Buffer.concat(values.map(({ encoded }) => encoded)), bytes)
  const read = orFault(() => {
    const certificate = parseCertificate(bytes)
    return { certificate, fields: readFields(certificate) }
  }, ChainFault)
  if (read === undefined) return 'refused'
  compare(read.fields, read.certificate, bytes)
  return 'the same'
})

function compare(fields: CertificateFields, certificate: X509Certificate, bytes: Buffer): void {
  const words = bytes.toString('hex')
  assert.deepEqual(certificate.raw, bytes, words)
  assert.equal(fields.notBeforeMs, certificate.validFromDate.getTime(), words)
  assert.equal(fields.notAfterMs, certificate.validToDate.getTime(), words)
  // OpenSSL counts as an authority only what may also sign.
  const maySign = fields.keyUsage?.has(keyUsageBits.keyCertSign) ?? true
  assert.equal(fields.ca && maySign, certificate.ca, words)
  assert.deepEqual(fields.extendedKeyUsage, certificate.keyUsage && new Set(certificate.keyUsage), words)
  const uris = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'))
  if (fields.uriNames.every((uri) => /^[\w:/.-]+$/.test(uri)))
    assert.deepEqual(
      fields.uriNames.map((uri) => `URI:${uri}`),
      uris,
      words,
    )
}
