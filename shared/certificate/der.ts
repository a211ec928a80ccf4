// A strict reader of DER (X.690), as far as certificates need it: definite minimal lengths, exact bounds, nothing left over.

/** The bytes are no DER, or not the DER that was expected. */
export class DerFault extends Error {
  override readonly name = 'DerFault'
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const

export interface DerValue {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number
  readonly content: Buffer
  /** Identifier, length and content, as they stand in the input. */
  readonly encoded: Buffer
}

/** All values that `bytes` consists of, in order. Throws {@link DerFault}. */
export function readValues(bytes: Buffer): DerValue[] {
  const values: DerValue[] = []
  let offset = 0
  while (offset < bytes.length) {
    const value = readValueAt(bytes, offset)
    values.push(value)
    offset += value.encoded.length
  }
  return values
}

/** The one value that `bytes` consists of; it must have the tag. Throws {@link DerFault}. */
export function readSingle(bytes: Buffer, tag: number): DerValue {
  const value = readValueAt(bytes, 0)
  if (value.encoded.length !== bytes.length) throw new DerFault('bytes after the value')
  return expectTag(value, tag)
}

/** `value`, if it is there and has the tag. Throws {@link DerFault}. */
export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value === undefined) throw new DerFault('a value is missing')
  if (value.tag !== tag) throw new DerFault('unexpected tag')
  return value
}

/** The values within a SEQUENCE. Throws {@link DerFault}. */
export function readSequence(value: DerValue | undefined): DerValue[] {
  return readValues(expectTag(value, tags.sequence).content)
}

/** A BOOLEAN; only 00 and FF stand for one (X.690 section 11.1). Throws {@link DerFault}. */
export function readBoolean(value: DerValue): boolean {
  const { content } = expectTag(value, tags.boolean)
  if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) throw new DerFault('no boolean')
  return content[0] === 0xff
}

/** An INTEGER from 0 to 2^31-1. Throws {@link DerFault}. */
export function readCount(value: DerValue | undefined): number {
  const { content } = expectTag(value, tags.integer)
  const first = content[0]
  if (first === undefined || first > 0x7f || content.length > 4) throw new DerFault('integer out of range')
  if (first === 0 && content.length > 1 && (content[1] as number) < 0x80)
    throw new DerFault('integer not minimal')
  return content.readUIntBE(0, content.length)
}

/** An OBJECT IDENTIFIER in dotted form. Throws {@link DerFault}. */
export function readObjectIdentifier(value: DerValue | undefined): string {
  const { content } = expectTag(value, tags.objectIdentifier)
  const arcs: number[] = []
  let arc = 0
  let within = false
  for (const octet of content) {
    if (!within && octet === 0x80) throw new DerFault('object identifier not minimal')
    arc = arc * 128 + (octet & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new DerFault('object identifier out of range')
    within = octet > 0x7f
    if (within) continue
    arcs.push(arc)
    arc = 0
  }
  if (within || arcs.length === 0) throw new DerFault('object identifier cut short')
  const [joined, ...rest] = arcs as [number, ...number[]]
  const top = Math.min(Math.floor(joined / 40), 2)
  return [top, joined - top * 40, ...rest].join('.')
}

/** The set bits of a BIT STRING, counted from its first. Throws {@link DerFault}. */
export function readBits(value: DerValue): ReadonlySet<number> {
  const { content } = expectTag(value, tags.bitString)
  const unused = content[0]
  if (unused === undefined || unused > 7) throw new DerFault('no bit string')
  const octets = content.subarray(1)
  const padding = (octets.at(-1) ?? 0) & ((1 << unused) - 1)
  if (padding !== 0 || (octets.length === 0 && unused !== 0)) throw new DerFault('bit string with stray bits')
  const bits = new Set<number>()
  for (const [index, octet] of octets.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((octet & (0x80 >> bit)) !== 0) bits.add(index * 8 + bit)
  }
  return bits
}

/** A UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5, as milliseconds since the epoch. Throws {@link DerFault}. */
export function readTime(value: DerValue | undefined): number {
  const short = value?.tag === tags.utcTime
  const { content } = short ? value : expectTag(value, tags.generalizedTime)
  const pattern = short ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/
  const [, digits = '', rest = ''] = pattern.exec(content.toString('latin1')) ?? []
  const century = Number(digits) < 50 ? '20' : '19'
  const year = short ? `${century}${digits}` : digits
  const iso = `${year}-${rest}`.replace(/-(..)(..)(..)(..)(..)$/, '-$1-$2T$3:$4:$5.000Z')
  const timeMs = Date.parse(iso)
  // Date.parse rolls 31 February over into March, and takes 24:00.
  if (Number.isNaN(timeMs) || new Date(timeMs).toISOString() !== iso) throw new DerFault('no time')
  return timeMs
}

function readValueAt(bytes: Buffer, start: number): DerValue {
  const tag = bytes[start]
  const first = bytes[start + 1]
  if (tag === undefined || first === undefined) throw new DerFault('cut short')
  if ((tag & 0x1f) === 0x1f) throw new DerFault('tag number in the long form')
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f
  if (first === 0x80 || lengthOctets > 3) throw new DerFault('length indefinite or too large')
  const from = start + 2 + lengthOctets
  if (from > bytes.length) throw new DerFault('cut short')
  const length = lengthOctets === 0 ? first : bytes.readUIntBE(start + 2, lengthOctets)
  const minimal = lengthOctets === 0 || (length >= 0x80 && length >= 2 ** (8 * (lengthOctets - 1)))
  if (!minimal) throw new DerFault('length not minimal')
  if (from + length > bytes.length) throw new DerFault('cut short')
  return { tag, content: bytes.subarray(from, from + length), encoded: bytes.subarray(start, from + length) }
}
