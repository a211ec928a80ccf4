// An app in a process of its own, started by `restarting-app.ts`: writes down each request before it answers it.
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

const record = openSync(process.argv[2] as string, 'a')
let isClosing = false

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const id = String(request.headers['x-id'])
  buffer(request).then(
    async (body) => {
      // Given to the kernel, it outlives the process however that ends.
      writeSync(record, `${id}\n`)
      await pause(Number(request.headers['x-work-ms']))
      if (isClosing) response.shouldKeepAlive = false
      response.end(`${id} ${crc32(body)}`)
    },
    () => response.destroy(),
  )
})

process.once('SIGTERM', () => {
  isClosing = true
  server.close(() => process.exit(0))
})
process.on('message', (port: number) => server.listen(port, '127.0.0.1', () => process.send?.('listening')))
process.send?.('loaded')
