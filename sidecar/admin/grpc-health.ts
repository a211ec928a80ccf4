// The messages of grpc.health.v1.Health/Check in their frames (gRPC over HTTP/2, Protocol Buffers' wire format).

const frameHeadBytes = 5

/** Of the field of the lowest number, and of the highest. */
const firstTag = 8n
const lastTag = 0xffff_ffffn

/** `SERVING`. */
export const serving = 1n

/** In its frame. `service` is field 1, a string; an empty one is not written. */
export function encodeHealthRequest(service: string): Buffer {
  const text = Buffer.from(service)
  const isEmpty = text.length === 0
  return frame(isEmpty ? text : Buffer.concat([Buffer.from([0x0a, ...encodeVarint(text.length)]), text]))
}

function encodeVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...encodeVarint(value >>> 7)]
}

/** Uncompressed, with its length. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(frameHeadBytes)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** From its frame: `status` is field 1, a varint; 0 where it is not written. Undefined for what is no such message. */
export function readHealthAnswer(body: Buffer): bigint | undefined {
  if (body.length < frameHeadBytes || body[0] !== 0) return undefined
  const message = body.subarray(frameHeadBytes)
  if (body.readUInt32BE(1) !== message.length) return undefined
  let health = 0n
  for (let at = 0; at < message.length;) {
    const tag = readVarint(message, at)
    if (tag === undefined || tag.value < firstTag || tag.value > lastTag) return undefined
    const field = readField(message, tag)
    if (field === undefined) return undefined
    if (tag.value === 8n) health = field.value
    at = field.end
  }
  return health
}

interface Read {
  readonly value: bigint
  readonly end: number
}

/** What follows a tag: the value of a varint, and the end of anything. */
function readField(message: Buffer, { value: tag, end }: Read): Read | undefined {
  const wireType = tag & 7n
  if (wireType === 0n) return readVarint(message, end)
  const length = wireType === 2n ? readVarint(message, end) : undefined
  const after =
    wireType === 1n ? end + 8 : wireType === 5n ? end + 4 : length && length.end + Number(length.value)
  return after === undefined || after > message.length ? undefined : { value: 0n, end: after }
}

function readVarint(message: Buffer, at: number): Read | undefined {
  let value = 0n
  for (let i = 0; i < 10; i++) {
    const byte = message[at + i]
    if (byte === undefined) return undefined
    value |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) return { value, end: at + i + 1 }
  }
  return undefined
}
