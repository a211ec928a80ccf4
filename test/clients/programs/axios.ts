// axios, with its adapter for Node.
import axios from 'axios'
import { bodyOf, pairsOf, serveAsks } from './lines.ts'

await serveAsks(async (ask, signal) => {
  const { status, headers, data } = await axios.request({
    method: ask.method,
    url: ask.url,
    headers: Object.fromEntries(ask.headers),
    data: await bodyOf(ask),
    responseType: 'stream',
    validateStatus: null,
    signal,
  })
  return { status, headers: pairsOf(headers), content: data }
})
