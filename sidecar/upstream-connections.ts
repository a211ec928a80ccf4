// Connections to upstreams, each request in the version of HTTP that is due.
import type { Connections } from './http/forwarding.ts'
import { createAgents, openHttp1 } from './http1/outgoing.ts'

export function createConnections(): Connections {
  const agents = createAgents()
  return {
    open: (sent, events) => openHttp1(sent, agents, events),
    close() {
      agents.plain.destroy()
      agents.tls.destroy()
    },
  }
}
