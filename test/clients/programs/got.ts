// got, which leaves the proxy to Node's own agent.
import { once } from 'node:events'
import got, { type Response } from 'got'
import { bodyOf, pairsOf, serveAsks } from './lines.ts'

await serveAsks(async (ask, signal) => {
  const body = await bodyOf(ask)
  const content = got.stream(ask.url, {
    method: ask.method,
    headers: Object.fromEntries(ask.headers),
    throwHttpErrors: false,
    retry: { limit: 0 },
    signal,
    ...(body !== undefined && { body }),
  })
  // got waits for what is to be piped into it, even for nothing.
  if (body === undefined && ask.method !== 'GET' && ask.method !== 'HEAD') content.end()
  const [response] = (await once(content, 'response')) as [Response]
  return { status: response.statusCode, headers: pairsOf(response.headers), content }
})
