// Outbound by grpc-js: the handle among the metadata, added in the caller, before a channel that is not ready queues.
import { bindEvents, bindFunction, currentHandle, hasAnyCome, type Handle } from './context.ts'
import { headerName } from './header.ts'
import { replace, type Callable } from './replace.ts'

interface Metadata {
  clone(): Metadata
  get(name: string): readonly unknown[]
  set(name: string, value: string): void
}

interface Checked {
  readonly metadata: Metadata
  readonly options: unknown
  readonly callback?: Callable
}

interface Client {
  checkOptionalUnaryResponseArguments(...args: unknown[]): Checked
  checkMetadataAndOptions(...args: unknown[]): Checked
  getChannel(): { internalChannel?: { credentials?: { readonly _isSecure?: () => boolean } } }
}

/** The methods that make calls, by how many of their arguments come before the metadata. */
const answeredOnce = { makeUnaryRequest: 4, makeClientStreamRequest: 3 }
const answeredInPieces = { makeServerStreamRequest: 4, makeBidiStreamRequest: 3 }

/** @param exported of the file of grpc-js that has the class of all clients. */
export function adaptGrpc(exported: object): void {
  const { prototype } = ((exported as { Client?: unknown }).Client ?? {}) as { prototype?: Client }
  if (typeof prototype?.checkOptionalUnaryResponseArguments !== 'function') return
  if (typeof prototype.checkMetadataAndOptions !== 'function') return
  for (const [name, before] of Object.entries(answeredOnce))
    replace(prototype, name, (make) =>
      carrying(make, before, (client, args) => client.checkOptionalUnaryResponseArguments(...args)),
    )
  for (const [name, before] of Object.entries(answeredInPieces))
    replace(prototype, name, (make) =>
      carrying(make, before, (client, args) => client.checkMetadataAndOptions(...args)),
    )
}

function carrying(
  make: Callable,
  before: number,
  check: (client: Client, args: unknown[]) => Checked,
): Callable {
  return function (this: unknown, ...args) {
    const handle = currentHandle()
    if (handle === undefined && !hasAnyCome()) return Reflect.apply(make, this, args)
    const { metadata, options, callback } = check(this as Client, args.slice(before))
    const call = Reflect.apply(make, this, [
      ...args.slice(0, before),
      isSecure(this as Client) ? metadata : withHandle(metadata, handle),
      options,
      ...(callback === undefined ? [] : [bindFunction(callback, handle)]),
    ])
    bindEvents(call, handle)
    return call
  }
}

function withHandle(metadata: Metadata, handle: Handle): Metadata {
  if (handle === undefined || metadata.get(headerName).length > 0) return metadata
  const copy = metadata.clone()
  copy.set(headerName, handle)
  return copy
}

/** Nothing can read a header within TLS: it would only be let out. */
function isSecure(client: Client): boolean {
  const credentials = client.getChannel().internalChannel?.credentials
  const { _isSecure: ask } = credentials ?? {}
  return ask !== undefined && Reflect.apply(ask, credentials, [])
}
