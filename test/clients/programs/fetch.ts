// Node's own fetch.
import { Readable } from 'node:stream'
import { bodyOf, serveAsks } from './lines.ts'

await serveAsks(async (ask, signal) => {
  const body = await bodyOf(ask)
  const response = await fetch(ask.url, {
    method: ask.method,
    headers: ask.headers.map(([name, value]): [string, string] => [name, value]),
    signal,
    ...(body instanceof Readable ? { body: Readable.toWeb(body), duplex: 'half' } : { body: body ?? null }),
  })
  return { status: response.status, headers: response.headers, content: response.body ?? Readable.from([]) }
})
