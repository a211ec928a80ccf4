// A collector that keeps nothing: takes what comes by OTLP, and says at `/taken` how many documents of which signal.
import { createServer } from 'node:http'

const taken: Record<string, number> = { traces: 0, metrics: 0, logs: 0 }

createServer((request, response) => {
  const signal = /^\/v1\/(traces|metrics|logs)$/.exec(request.url ?? '')?.[1]
  request.resume().once('end', () => {
    if (signal === undefined) return response.end(JSON.stringify(taken))
    taken[signal] = (taken[signal] ?? 0) + 1
    return response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
