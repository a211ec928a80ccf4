// Fetches a key set over HTTP: with a deadline, a bound, no redirects, and the issuer's own CA.
import type { Client, ClientOptions } from './undici.ts'

/** A key set is a few kilobytes; this bounds what an issuer, or who stands in for it, can make us hold. */
const maxBytes = 1024 * 1024
const defaultDeadlineMs = 5_000

export interface FetchedKeySet {
  readonly text: string
  /** From `Cache-Control: max-age`, in milliseconds. */
  readonly maxAgeMs: number | undefined
  /** The issuer's clock by `Date`, and by `Age` where a cache answered, in milliseconds since the epoch. */
  readonly clockMs?: number | undefined
}

export interface KeySetFetcher {
  /** @throws {Error} in words for a log: no answer in time, another status than 200, too long. */
  fetch(): Promise<FetchedKeySet>
  close(): Promise<void>
}

/**
 * @param ca PEM of a private CA; undefined: the system's.
 * @param deadlineMs for the whole answer, from the first byte sent to the last one received.
 */
export function createFetcher(
  url: string,
  ca: string | undefined,
  deadlineMs = defaultDeadlineMs,
): KeySetFetcher {
  const { origin, pathname, search } = new URL(url)
  const options: ClientOptions = {
    allowH2: false,
    keepAliveTimeout: 10_000,
    // A signal ends what is under way, and not the wait for a name or a connection. Verification is not left to
    // NODE_TLS_REJECT_UNAUTHORIZED.
    connect: { timeout: deadlineMs, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) },
  }
  let client: Client | undefined
  return {
    async fetch() {
      const signal = AbortSignal.timeout(deadlineMs)
      // Key sets that stand in files need none of it.
      const { createClient, requestOf } = await import('./undici.ts')
      client ??= createClient(origin, options)
      const response = await requestOf(client, {
        path: pathname + search,
        method: 'GET',
        signal,
        headers: { accept: 'application/json' },
      })
      if (response.statusCode !== 200) {
        await response.body.dump({ limit: 16_384, signal })
        throw new Error(`the issuer answered with status ${response.statusCode}`)
      }
      const text = await readBounded(response.body)
      const { headers } = response
      return {
        text,
        maxAgeMs: maxAgeOf(headers['cache-control']),
        clockMs: clockOf(headers['date'], headers['age']),
      }
    },
    close: async () => client?.destroy(),
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`the key set is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function maxAgeOf(cacheControl: string | string[] | undefined): number | undefined {
  const match = /(?:^|[,\s])max-age=(\d{1,9})/i.exec([cacheControl ?? ''].flat().join(','))
  return match === null ? undefined : Number(match[1]) * 1000
}

function clockOf(
  date: string | string[] | undefined,
  age: string | string[] | undefined,
): number | undefined {
  const dateMs = typeof date === 'string' ? Date.parse(date) : Number.NaN
  const ageS = typeof age === 'string' && /^\d{1,9}$/.test(age) ? Number(age) : 0
  return Number.isNaN(dateMs) ? undefined : dateMs + ageS * 1000
}
