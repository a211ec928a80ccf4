// Outbound by the built-in fetch: the handle is added at the call, so that its inner client need not be known.
import { channel } from 'node:diagnostics_channel'
import { currentHandle } from './context.ts'
import { dropHandle, headerName } from './header.ts'
import { replace } from './replace.ts'

const handleLine = new RegExp(`^${headerName}:.*\\r\\n`, 'gim')

type Init = Record<string, unknown> | undefined | null

export function carryOnFetch(): void {
  replace(
    globalThis,
    'fetch',
    (original) =>
      function (this: unknown, ...args) {
        const handle = currentHandle()
        return Reflect.apply(original, this, handle === undefined ? args : withHandle(args, handle))
      },
  )
  channel('undici:request:create').subscribe(dropInTls)
}

interface Created {
  readonly origin?: unknown
  /** Lines of text in Node 18, names and values in turn since. */
  headers?: unknown
}

/** A redirect takes headers along, also from the clear into TLS, where nobody takes this one out. */
function dropInTls(message: unknown): void {
  const { request } = message as { request: Created }
  if (!/^https:/i.test(String(request.origin))) return
  const { headers } = request
  if (Array.isArray(headers)) request.headers = dropHandle(headers)
  else if (typeof headers === 'string') request.headers = headers.replace(handleLine, '')
}

function withHandle(args: unknown[], handle: string): unknown[] {
  const [input, init] = args as [unknown, Init]
  if (!/^\s*http:/i.test(urlOf(input)) || !canCopy(init)) return args
  try {
    const headers = new Headers((init?.['headers'] ?? headersOf(input)) as Headers | undefined)
    if (headers.has(headerName)) return args
    headers.set(headerName, handle)
    return [input, { ...copyOf(init), headers }]
  } catch {
    // What is wrong with the arguments, fetch says itself.
    return args
  }
}

/** Of text, a URL or a Request. */
function urlOf(input: unknown): string {
  if (typeof input === 'string') return input
  const { href = '', url = href } = (input ?? {}) as Record<string, string>
  return url
}

const headersOf = (input: unknown): unknown => (input instanceof Request ? input.headers : undefined)

/** A Request stands for options too; of any other class it is not known what a copy would lose. */
function canCopy(init: Init): boolean {
  if (init === undefined || init === null || init instanceof Request) return true
  const prototype: unknown = typeof init === 'object' ? Object.getPrototypeOf(init) : undefined
  return prototype === Object.prototype || prototype === null
}

/** With what is inherited, where a Request has all that it says. */
function copyOf(init: Init): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const name in init) copy[name] = init[name]
  return copy
}
