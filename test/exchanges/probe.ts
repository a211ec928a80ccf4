// The harness's own requests: whoever gets another answer than his own has been given somebody else's.
import { connect } from 'node:net'
import { once } from 'node:events'
import type { Ground } from './ground.ts'
import { readAnswers } from './strict.ts'
import { probeBody, probeTarget } from './upstream.ts'
import { Wire, type Bell } from './wire.ts'

let count = 0

/** A target that no other request has. */
export function nextProbe(): string {
  return `${probeTarget}${++count}`
}

export function probeRequest(ground: Ground, target: string): string {
  return fill(`GET ${target} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n`, ground)
}

/** Puts in what `{name}` stands for. */
export function fill(text: string, { words }: Ground): string {
  return text.replaceAll(/\{([a-z]+)\}/g, (whole, name: string) => words[name] ?? whole)
}

/** @throws {Error} a request on a fresh connection is answered by anything but its own answer. */
export async function probe(ground: Ground, bell: Bell): Promise<void> {
  const wire = await dial(ground.port, bell)
  const target = nextProbe()
  const read = () => readAnswers(wire.bytes, [{ method: 'GET', version: '1.1' }], wire.ended)
  wire.socket.write(probeRequest(ground, target), 'latin1')
  await bell.until('a request on a connection of its own is answered', () => {
    const { messages, violation } = read()
    return messages.length > 0 || violation !== undefined || wire.ended || wire.closed
  })
  wire.socket.destroy()
  const { messages, rest } = read()
  if (messages[0]?.body === probeBody(target) && rest === '') return
  throw new Error(`another request got an answer that is not its own: ${JSON.stringify(wire.bytes)}`)
}

/** A client that ends its half only when it is told to. */
export async function dial(port: number, bell: Bell): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return new Wire(socket, () => bell)
}
