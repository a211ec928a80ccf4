// Streams of known length and content for transfers that are too large to keep, with a reader who stops for a while.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

export interface Sum {
  readonly bytes: number
  readonly crc: number
}

const chunkBytes = 64 * 1024
const filling = randomBytes(chunkBytes)
const stuckMs = 200
const lookIntervalMs = 20

/** One transfer, as its two ends see it; both are in this process. */
export class Flow {
  #writtenAtMs = performance.now()
  #isPoured = false
  #poured = 0
  #mostAhead = 0

  /** The most octets that the writer had got rid of beyond what was read, when he was stuck. */
  get mostAhead(): number {
    return this.#mostAhead
  }

  /** Writes so many octets as fast as they are taken, and ends the stream. No two chunks are alike. */
  async pour(sink: Writable, bytes: number): Promise<Sum> {
    let crc = 0
    for (let at = 0; at < bytes; at += chunkBytes) {
      const chunk = Buffer.from(filling.subarray(0, Math.min(chunkBytes, bytes - at)))
      chunk.writeUInt32BE(at / chunkBytes)
      crc = crc32(chunk, crc)
      if (!sink.write(chunk)) await once(sink, 'drain')
      this.#poured = at + chunk.length
      this.#writtenAtMs = performance.now()
    }
    sink.end()
    this.#isPoured = true
    return { bytes, crc }
  }

  /**
   * Reads a stream to its end, and stops at every `restBytes` until the writer is stuck: who stands in between must
   * hold the writer back, or take in all that he has.
   * @param rests how often at most.
   */
  async drink(source: Readable, restBytes: number, rests = Infinity): Promise<Sum> {
    let bytes = 0
    let crc = 0
    let restAt = restBytes
    let rested = 0
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytes += chunk.length
      crc = crc32(chunk, crc)
      if (bytes < restAt || rested === rests) continue
      rested++
      restAt += restBytes
      await this.#stuck()
      this.#mostAhead = Math.max(this.#mostAhead, this.#poured - bytes)
    }
    return { bytes, crc }
  }

  async #stuck(): Promise<void> {
    while (!this.#isPoured && performance.now() - this.#writtenAtMs < stuckMs) await pause(lookIntervalMs)
  }
}
