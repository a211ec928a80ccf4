// Reads what Redis answers: others write there, and whatever is not of the type that was asked for is no answer.
import { RedisFault } from './redis-fault.ts'
import { maxValueBytes, type Scored } from './store.ts'

/** @throws {RedisFault} `unexpected`, `too_long`. */
export function readValue(reply: unknown): string | undefined {
  if (reply === null || reply === '') return undefined
  if (typeof reply !== 'string') throw new RedisFault('unexpected')
  if (Buffer.byteLength(reply) > maxValueBytes) throw new RedisFault('too_long')
  return reply
}

/** @throws {RedisFault} `unexpected`. */
export function expectOk(reply: unknown): void {
  if (reply !== 'OK') throw new RedisFault('unexpected')
}

/** @throws {RedisFault} `unexpected`. */
export function readCount(reply: unknown): number {
  if (typeof reply !== 'number' || !Number.isSafeInteger(reply)) throw new RedisFault('unexpected')
  return reply
}

export interface ScanStep {
  /** `0` when there is no more. */
  readonly cursor: string
  readonly members: readonly Scored[]
}

/** What ZSCAN answers. @throws {RedisFault} `unexpected`. */
export function readScan(reply: unknown): ScanStep {
  const [cursor, flat] = Array.isArray(reply) ? (reply as unknown[]) : []
  if (typeof cursor !== 'string' || !/^\d{1,20}$/.test(cursor)) throw new RedisFault('unexpected')
  if (!Array.isArray(flat) || flat.length % 2 === 1) throw new RedisFault('unexpected')
  const members: Scored[] = []
  for (let i = 0; i < flat.length; i += 2) members.push(readScored(flat[i], flat[i + 1]))
  return { cursor, members }
}

function readScored(member: unknown, score: unknown): Scored {
  if (typeof member !== 'string' || typeof score !== 'string') throw new RedisFault('unexpected')
  return [member, readScore(score)]
}

function readScore(text: string): number {
  if (text === 'inf') return Infinity
  if (text === '-inf') return -Infinity
  const score = text === '' ? Number.NaN : Number(text)
  if (Number.isNaN(score)) throw new RedisFault('unexpected')
  return score
}

/** A score as Redis reads it. */
export function formatScore(score: number): string {
  if (score === Infinity) return '+inf'
  if (score === -Infinity) return '-inf'
  return String(score)
}
