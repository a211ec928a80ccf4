// A host that no route names: it answers with whatever identity reached it.
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Stranger {
  /** `127.0.0.1:<port>`. */
  readonly host: string
  close(): Promise<void>
}

export async function startStranger(): Promise<Stranger> {
  const server = createServer((request, response) => {
    response.end(JSON.stringify(identityHeaders(request)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Names of headers that are about identity, or whose value holds a handle. */
function identityHeaders({ rawHeaders }: IncomingMessage): string[] {
  const names: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (/pomerium|onbehalf/i.test(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`)) names.push(String(rawHeaders[i]))
  }
  return names
}
