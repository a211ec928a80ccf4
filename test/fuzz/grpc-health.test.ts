// An app's answer to a gRPC health check, beside protobufjs: what we take says the same there.
import assert from 'node:assert/strict'
import protobuf from 'protobufjs'
import { encodeHealthRequest, readHealthAnswer } from '../../sidecar/admin/grpc-health.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const root = protobuf.parse(`syntax = "proto3";
  message Request { string service = 1; }
`).root
const request = root.lookupType('Request')

const fields = [
  '\x08\x01',
  '\x08\x02',
  '\x10\x05',
  '\x12\x01a',
  '\x19\0\0\0\0\0\0\0\x01',
  '\x25\0\0\0\x01',
  '\x08\x81\0',
]
const pieces = [
  '\0',
  '\x01',
  '\x08',
  '\x12',
  '\x19',
  '\x25',
  '\x7f',
  '\x80',
  '\xff',
  '\x88\0',
  '\x0b',
  '\x0c',
]

fuzz('grpc-health', { cases: 20_000, atLeast: { outcome: 'the same', oneIn: 8 } }, (chance) => {
  assertAsked(chance)
  const some = Array.from({ length: chance(4) }, () => fields[chance(fields.length)] as string)
  const message = Buffer.from(mutated(some.join(''), pieces, chance), 'latin1')
  const head = Buffer.alloc(5)
  head.writeUInt32BE(chance(16) === 0 ? chance(20) : message.length, 1)
  const body = Buffer.concat([head, message])
  const ours = readHealthAnswer(body)
  if (ours === undefined) return 'refused'
  assert.equal(head.readUInt32BE(1), message.length)
  assert.equal(BigInt.asUintN(64, ours), statusOf(message), message.toString('hex'))
  return 'the same'
})

/** Field by field: a message of protobufjs takes a field of another type for a number. */
function statusOf(message: Buffer): bigint {
  const reader = protobuf.Reader.create(message)
  let status = 0n
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === 8) status = toBigInt(reader.uint64())
    else reader.skipType(tag & 7)
  }
  return status
}

function toBigInt(value: number | protobuf.Long): bigint {
  const { hi, lo } = protobuf.util.LongBits.from(value)
  return (BigInt(hi) << 32n) | BigInt(lo)
}

function assertAsked(chance: Chance): void {
  const service = 'aé.'.repeat(chance(200))
  const asked = request.toObject(request.decode(encodeHealthRequest(service).subarray(5)), { defaults: true })
  assert.deepEqual(asked, { service })
}
