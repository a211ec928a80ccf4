// The fields of a certificate, where OpenSSL would refuse before we do: the reader must not rely on that.
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { ChainFault } from '../../../shared/certificate/fault.ts'
import { parseCertificate, readFields } from '../../../shared/certificate/fields.ts'
import type { CertificateFields } from '../../../shared/certificate/fields.ts'
import {
  clockMs,
  extensionIds,
  keyUsage,
  leafExtensions,
  makeLeaf,
  makeRoot,
} from '../../support/certificates.ts'
import type { CertificateShape, TestExtension } from '../../support/certificates.ts'
import { der, integer, no, nothing, objectId, sequence, time, yes } from '../../support/der.ts'

const root = makeRoot()
const uri = 'spiffe://mesh.example.com/api-access'
const leafDer = (changes: Partial<CertificateShape>): Buffer => makeLeaf(root, uri, changes).der
const read = (raw: Buffer): CertificateFields => readFields({ raw } as X509Certificate)

function refuses(raw: Buffer): void {
  assert.throws(() => read(raw), { name: 'ChainFault', code: 'malformed' })
}

/** A leaf whose field at `index` is another. */
function withField(index: number, ...replacement: Buffer[]): Buffer {
  return leafDer({ patch: (fields) => fields.toSpliced(index, 1, ...replacement) })
}

/** A leaf with one more extension that says exactly this. */
function withExtension(id: string, ...parts: Buffer[]): Buffer {
  const odd: TestExtension = { id, der: sequence(objectId(id), ...parts) }
  return leafDer({ extensions: [...leafExtensions(uri).filter((one) => one.id !== id), odd] })
}

describe('the fields of a certificate', () => {
  test('are read as they are', () => {
    const fields = read(leafDer({}))
    assert.equal(fields.signatureAlgorithm, '1.2.840.10045.4.3.2')
    assert.equal(fields.keyAlgorithm, '1.2.840.10045.2.1/1.2.840.10045.3.1.7')
    assert.equal(fields.notBeforeMs, clockMs - 3_600_000)
    assert.equal(fields.ca, false)
    assert.deepEqual([...(fields.keyUsage ?? [])], [0])
    assert.deepEqual(fields.uriNames, [uri])
  })

  test('have nothing after the signature', () => {
    const good = leafDer({})
    const content = good.subarray(4)
    refuses(sequence(content, nothing))
    assert.ok(read(sequence(content)))
  })

  test('have nothing after the extensions', () => {
    refuses(leafDer({ patch: (fields) => [...fields, nothing] }))
  })

  test('have a serial number that is an integer', () => {
    refuses(withField(1, nothing))
  })

  test('have a signature that is a bit string', () => {
    const [body, algorithm] = [leafDer({}).subarray(4)].flatMap((content) => {
      const bodyLength = content.readUInt16BE(2) + 4
      return [content.subarray(0, bodyLength), content.subarray(bodyLength, bodyLength + 12)]
    }) as [Buffer, Buffer]
    assert.ok(read(sequence(body, algorithm, der(0x03, [0]))))
    refuses(sequence(body, algorithm, der(0x04, [0])))
    refuses(sequence(body, algorithm))
  })

  test('have two times and no third', () => {
    refuses(withField(4, sequence(time(clockMs), time(clockMs), time(clockMs))))
    refuses(withField(4, sequence(time(clockMs))))
  })

  test('have names that are sequences', () => {
    refuses(withField(3, nothing))
    refuses(withField(5, nothing))
  })

  test('have extensions of two or three parts', () => {
    refuses(withExtension('1.3.6.1.4.1.99999.1', yes, yes, der(0x04)))
    refuses(withExtension('1.3.6.1.4.1.99999.1'))
    refuses(withExtension('1.3.6.1.4.1.99999.1', der(0x03, [0])))
  })

  test('may spell out that an extension is not critical', () => {
    assert.ok(read(withExtension('1.3.6.1.4.1.99999.1', no, der(0x04))))
    refuses(withExtension('1.3.6.1.4.1.99999.1', nothing, der(0x04)))
  })

  test('may spell out that the subject is no authority', () => {
    assert.equal(read(withExtension(extensionIds.basicConstraints, der(0x04, sequence(no)))).ca, false)
    refuses(withExtension(extensionIds.basicConstraints, der(0x04, sequence(no, integer(0)))))
    refuses(withExtension(extensionIds.basicConstraints, der(0x04, sequence(nothing))))
  })

  test('have a key usage that is one bit string', () => {
    assert.throws(() => read(withExtension(extensionIds.keyUsage, der(0x04, integer(1)))), ChainFault)
    assert.equal(read(leafDer({ extensions: [keyUsage()] })).keyUsage?.size, 0)
  })
})

test('what is no certificate at all is malformed', () => {
  for (const bytes of [
    Buffer.alloc(0),
    sequence(),
    Buffer.from(root.pem),
    root.keys.publicKey.export({ type: 'spki', format: 'der' }),
  ]) {
    assert.throws(() => parseCertificate(bytes), { name: 'ChainFault', code: 'malformed' })
  }
})
