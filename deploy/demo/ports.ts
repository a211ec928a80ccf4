// Free loopback ports, for processes that have to know theirs and each other's before they start.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

// Below the range from which Linux and macOS take the ports of outgoing connections.
const lowest = 20_000
const highest = 32_000
/** Processes beside each other look in places of their own: what one has found is free until it is used. */
const places = 16
const width = (highest - lowest) / places
let own: Promise<number> | undefined

/** Found lately, and perhaps not in use yet. */
const found = new Set<number>()

/** All different, and free at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const begin = await (own ??= takePlace())
  const held = new Map<number, Server>()
  if (found.size + count > width / 2) found.clear()
  while (held.size < count) {
    const port = begin + randomInt(width)
    if (found.has(port)) continue
    const server = held.has(port) ? undefined : await tryToListen(port)
    if (server !== undefined) held.set(port, server)
  }
  for (const port of held.keys()) found.add(port)
  for (const server of held.values()) {
    server.close()
    await once(server, 'close')
  }
  return [...held.keys()]
}

/** Whoever listens at the port of a place has it, as long as it lives. Where there are more processes, two share one. */
async function takePlace(): Promise<number> {
  const first = process.pid % places
  for (let i = 0; i < places; i++) {
    const place = (first + i) % places
    const door = await tryToListen(lowest - places + place)
    door?.unref()
    if (door !== undefined) return lowest + place * width
  }
  return lowest + first * width
}

async function tryToListen(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return server
  } catch {
    return undefined
  }
}
