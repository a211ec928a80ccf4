// An app in a process of its own that writes down each request before it answers, so that none is forgotten with it.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [port, record] = process.argv.slice(2)

let isEnding = false

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    appendFileSync(record as string, `${String(request.headers['x-id'])}\n`)
    // Long enough for some to be under way when the process ends.
    setTimeout(() => {
      response.shouldKeepAlive &&= !isEnding
      response.end('ok')
    }, 3)
  })
})
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
process.once('SIGTERM', () => {
  isEnding = true
  server.close(() => process.exit(0))
})
