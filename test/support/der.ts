// Writes DER for tests, good or evil.

/** One DER value. */
export function der(tag: number, ...contents: (Buffer | Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(contents.map((part) => Buffer.from(part)))
  const size = content.length
  const length =
    size < 0x80
      ? [size]
      : size < 0x100
        ? [0x81, size]
        : size < 0x10000
          ? [0x82, size >> 8, size & 0xff]
          : undefined
  if (length === undefined) throw new Error('too long for a test')
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

export const sequence = (...contents: Buffer[]): Buffer => der(0x30, ...contents)
export const integer = (value: number): Buffer => {
  const hex = value.toString(16)
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return der(0x02, (octets[0] as number) > 0x7f ? [0] : [], octets)
}
export const nothing = Buffer.from([0x05, 0x00])
export const yes = Buffer.from([0x01, 0x01, 0xff])
export const no = Buffer.from([0x01, 0x01, 0x00])

export function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]]
  return der(0x06, ...[first * 40 + second, ...rest].map(base128))
}

function base128(arc: number): number[] {
  const octets = [arc % 128]
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
    octets.unshift(128 + (left % 128))
  return octets
}

/** UTCTime until 2049, then GeneralizedTime, as RFC 5280 wants it. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return Number(digits.slice(0, 4)) < 2050
    ? der(0x17, Buffer.from(digits.slice(2)))
    : der(0x18, Buffer.from(digits))
}

/** A name with a common name alone. */
export function commonName(text: string): Buffer {
  return sequence(der(0x31, sequence(objectId('2.5.4.3'), der(0x0c, Buffer.from(text)))))
}
