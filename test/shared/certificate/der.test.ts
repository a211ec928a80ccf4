// The DER reader: what X.690 and RFC 5280 allow, and nothing else.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  DerFault,
  readBits,
  readBoolean,
  readCount,
  readObjectIdentifier,
  readSequence,
  readSingle,
  readTime,
  readValues,
  tags,
} from '../../../shared/certificate/der.ts'
import type { DerValue } from '../../../shared/certificate/der.ts'
import { der, integer, objectId, sequence } from '../../support/der.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const only = (encoded: Buffer): DerValue => readSingle(encoded, encoded[0] as number)
const ofHex = (hex: string): DerValue => only(bytes(hex))

describe('values', () => {
  test('are read one after the other, with their own bytes', () => {
    const values = readValues(bytes('02 01 05 04 02 aa bb'))
    assert.deepEqual(
      values.map((value) => [value.tag, value.content.toString('hex'), value.encoded.toString('hex')]),
      [
        [0x02, '05', '020105'],
        [0x04, 'aabb', '0402aabb'],
      ],
    )
  })

  test('may be long', () => {
    for (const size of [127, 128, 255, 256, 65_535]) {
      assert.equal(only(der(0x04, Buffer.alloc(size))).content.length, size)
    }
  })

  const faults: [string, string][] = [
    ['a length cut short', '30'],
    ['content cut short', '04 02 aa'],
    ['a long length cut short', '04 82 01'],
    ['an indefinite length', `30 80 ${'00'.repeat(128)}`],
    ['a length that fits the short form', `04 81 7f ${'00'.repeat(127)}`],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of seven octets', '04 87 00 00 00 00 00 00 01 00'],
    ['a tag number in the long form', '1f 01 00'],
  ]
  for (const [name, hex] of faults) {
    test(`with ${name} are refused`, () => assert.throws(() => readValues(bytes(hex)), DerFault))
  }

  test('that stand alone have nothing after them', () => {
    assert.throws(() => readSingle(bytes('05 00 00'), 0x05), DerFault)
    assert.throws(() => readSingle(bytes(''), 0x05), DerFault)
  })

  test('of another tag than expected are refused', () => {
    assert.throws(() => readSingle(bytes('05 00'), tags.sequence), DerFault)
    assert.throws(() => readSequence(undefined), DerFault)
  })

  test('read from any bytes never go beyond them', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 64 }), (random) => {
      const input = Buffer.from(random)
      try {
        const read = Buffer.concat(readValues(input).map((value) => value.encoded))
        assert.ok(read.equals(input))
      } catch (error) {
        assert.ok(error instanceof DerFault)
      }
    })
    fc.assert(property, { numRuns: 1000 })
  })

  test('survive being written and read', () => {
    const property = fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (contents) => {
      const written = sequence(...contents.map((content) => der(0x04, content)))
      assert.deepEqual(
        readSequence(only(written)).map((value) => [...value.content]),
        contents.map((content) => [...content]),
      )
    })
    fc.assert(property, { numRuns: 100 })
  })
})

describe('a boolean', () => {
  test('is FF or 00', () => {
    assert.equal(readBoolean(ofHex('01 01 ff')), true)
    assert.equal(readBoolean(ofHex('01 01 00')), false)
    for (const hex of ['01 01 01', '01 00', '01 02 ff ff', '02 01 ff']) {
      assert.throws(() => readBoolean(ofHex(hex)), DerFault)
    }
  })
})

describe('a count', () => {
  test('is read up to 2^31-1', () => {
    for (const count of [0, 1, 127, 128, 255, 65_536, 2 ** 31 - 1]) {
      assert.equal(readCount(only(integer(count))), count)
    }
  })

  test('that is negative, too large, empty or not minimal is refused', () => {
    for (const hex of [
      '02 01 ff',
      '02 05 01 00 00 00 00',
      '02 00',
      '02 02 00 7f',
      '02 02 00 00',
      '04 01 01',
    ]) {
      assert.throws(() => readCount(ofHex(hex)), DerFault)
    }
    assert.throws(() => readCount(undefined), DerFault)
  })
})

describe('an object identifier', () => {
  test('is read in dotted form', () => {
    for (const id of ['2.5.29.19', '1.2.840.10045.3.1.7', '0.9.2342', '2.999.1', '1.39.0', '2.16.840.1']) {
      assert.equal(readObjectIdentifier(only(objectId(id))), id)
    }
  })

  test('that is empty, cut short, not minimal or too large is refused', () => {
    for (const hex of ['06 00', '06 02 55 80', '06 03 55 80 01', '06 0a 55 ff ff ff ff ff ff ff ff 7f']) {
      assert.throws(() => readObjectIdentifier(ofHex(hex)), DerFault)
    }
  })
})

describe('a bit string', () => {
  test('is the set of its bits', () => {
    assert.deepEqual([...readBits(ofHex('03 02 07 80'))], [0])
    assert.deepEqual([...readBits(ofHex('03 02 01 06'))], [5, 6])
    assert.deepEqual([...readBits(ofHex('03 03 07 00 80'))], [8])
    assert.deepEqual([...readBits(ofHex('03 01 00'))], [])
  })

  test('with stray bits, or without its first octet, is refused', () => {
    for (const hex of ['03 00', '03 02 08 00', '03 02 01 01', '03 01 01', '04 02 07 80']) {
      assert.throws(() => readBits(ofHex(hex)), DerFault)
    }
  })
})

describe('a time', () => {
  const utc = (text: string): DerValue => only(der(tags.utcTime, Buffer.from(text)))
  const general = (text: string): DerValue => only(der(tags.generalizedTime, Buffer.from(text)))

  test('has two digits of the year until 2049, and four otherwise', () => {
    assert.equal(readTime(utc('260115120000Z')), Date.UTC(2026, 0, 15, 12))
    assert.equal(readTime(utc('491231235959Z')), Date.UTC(2049, 11, 31, 23, 59, 59))
    assert.equal(readTime(utc('500101000000Z')), Date.UTC(1950, 0, 1))
    assert.equal(readTime(general('20500101000000Z')), Date.UTC(2050, 0, 1))
    assert.equal(readTime(general('99991231235959Z')), Date.UTC(9999, 11, 31, 23, 59, 59))
    assert.equal(readTime(utc('280229000000Z')), Date.UTC(2028, 1, 29))
  })

  const faults = [
    utc('2601151200Z'),
    utc('260115120000'),
    utc('260115120000+0000'),
    utc('260115120000.5Z'),
    utc('260115120000Z '),
    utc('20260115120000Z'),
    utc('260230000000Z'),
    utc('270229000000Z'),
    utc('261301000000Z'),
    utc('260001000000Z'),
    utc('260100000000Z'),
    utc('260101240000Z'),
    utc('260101006000Z'),
    utc('260101000060Z'),
    utc(''),
    general('260115120000Z'),
    general('20260115120000.1Z'),
    only(der(0x16, Buffer.from('20260115120000Z'))),
  ]
  for (const value of faults) {
    test(`written "${value.content.toString()}" with tag ${value.tag} is refused`, () => {
      assert.throws(() => readTime(value), DerFault)
    })
  }

  test('that is missing is refused', () => {
    assert.throws(() => readTime(undefined), DerFault)
  })
})
