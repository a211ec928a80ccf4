// Inbound: the listeners of a request, and of all that it later emits, run in its context.
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { bindEvents, currentHandle, hasAnyCome, makeOwnerless, runWith } from './context.ts'
import { headerName, parseHandle } from './header.ts'
import { replace, type Callable } from './replace.ts'

/** Of HTTP/1 and HTTP/2 servers; each begins a request or, with `stream`, an exchange of HTTP/2. */
const beginnings: ReadonlySet<unknown> = new Set([
  'request',
  'checkContinue',
  'checkExpectation',
  'upgrade',
  'connect',
  'stream',
])

/** Every server of Node inherits from `net.Server`; an agent may have given the others an `emit` of their own. */
export function serveInContext(): void {
  const inheriting = [http.Server.prototype, https.Server.prototype]
  const owners = inheriting.filter((prototype) => Object.prototype.hasOwnProperty.call(prototype, 'emit'))
  for (const owner of [net.Server.prototype, ...owners]) replace(owner, 'emit', inContext)
  // Connections inherit the context in which their server began to listen.
  makeOwnerless(net.Server.prototype, 'listen')
}

function inContext(emit: Callable): Callable {
  return function (this: unknown, ...args) {
    if (!beginnings.has(args[0])) return Reflect.apply(emit, this, args)
    const handle = handleOf(args)
    if (handle === undefined && currentHandle() === undefined && !hasAnyCome())
      return Reflect.apply(emit, this, args)
    return runWith(handle, () => {
      // The request and its response, the stream, or the connection that was upgraded.
      bindEvents(args[1], handle)
      bindEvents(args[2], handle)
      return Reflect.apply(emit, this, args)
    })
  }
}

function handleOf([event, first, second]: readonly unknown[]): string | undefined {
  const headers = event === 'stream' ? second : (first as { headers?: unknown } | undefined)?.headers
  // Node joins what is repeated by commas, which is then no handle.
  return parseHandle((headers as Record<string, unknown> | undefined)?.[headerName])
}
