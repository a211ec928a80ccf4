// A connection of a client outlives its streams, natively: where both are collected at once, and the connection first, what
// a stream still has of a head that could not be read to its end ends the process (node:http2's own assertion).
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'

/** Holds a connection for as long as a stream of it is not collected. */
const held = new FinalizationRegistry<object>(() => undefined)

/** To be called for each stream, as soon as it is asked for. */
export function outlive(session: ClientHttp2Session, stream: ClientHttp2Stream): void {
  if (stream.pending) stream.once('ready', () => hold(session, stream))
  else hold(session, stream)
}

function hold(session: ClientHttp2Session, stream: ClientHttp2Stream): void {
  const [connection, of] = [nativeOf(session), nativeOf(stream)]
  if (connection !== undefined && of !== undefined) held.register(of, connection)
}

/** What node:http2 keeps under a symbol of its own; of what is closed nothing is left. */
function nativeOf(owner: object): object | undefined {
  const symbol = Object.getOwnPropertySymbols(owner).find(({ description }) => description === 'kHandle')
  const native: unknown = symbol && Reflect.get(owner, symbol)
  return typeof native === 'object' && native !== null ? native : undefined
}
