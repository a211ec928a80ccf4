// Outbound by node:http: the handle among the options' headers, and the answer's events in the caller's context.
import http from 'node:http'
import https from 'node:https'
import { bindEvents, currentHandle, hasAnyCome } from './context.ts'
import { addHandle, hasHandle } from './header.ts'
import { replace, type Callable } from './replace.ts'

interface Options {
  readonly protocol?: unknown
  readonly method?: unknown
  readonly headers?: unknown
  readonly socketPath?: unknown
  readonly _defaultAgent?: unknown
}

export function carryOnHttp(): void {
  for (const name of ['request', 'get']) {
    replace(http, name, (original) => inCallersContext(original, withHandle))
    // Nothing can read a header within TLS: it would only be let out.
    replace(https, name, (original) => inCallersContext(original, (args) => args))
  }
}

function inCallersContext(
  original: Callable,
  prepare: (args: unknown[], handle: string) => unknown[],
): Callable {
  return function (this: unknown, ...args) {
    const handle = currentHandle()
    if (handle === undefined && !hasAnyCome()) return Reflect.apply(original, this, args)
    const request = Reflect.apply(original, this, handle === undefined ? args : prepare(args, handle))
    bindEvents(request, handle, 'response')
    return request
  }
}

/** Of `(url, options?, callback?)` and `(options, callback?)`. */
function withHandle(args: unknown[], handle: string): unknown[] {
  const [first] = args
  const hasUrl = typeof first === 'string' || isUrl(first)
  const at = hasUrl ? 1 : 0
  const given = args[at]
  if (!hasUrl && (typeof given !== 'object' || given === null)) return args
  const options: Options = typeof given === 'object' && given !== null ? given : {}
  const { headers } = options
  if (!isReadable(options, hasUrl ? String(first) : '') || hasHandle(headers)) return args
  const rest = args.slice(typeof given === 'function' ? at : at + 1)
  return [...args.slice(0, at), { ...options, headers: addHandle(headers, handle) }, ...rest]
}

/** As Node tells a URL from options. */
function isUrl(value: unknown): boolean {
  const { href, protocol, auth, path } = (value ?? {}) as Record<string, unknown>
  return Boolean(href) && Boolean(protocol) && auth === undefined && path === undefined
}

/** Whether the sidecar can read the header on its way: not in TLS, in a tunnel, or on a socket of the file system. */
function isReadable({ protocol, method, socketPath, _defaultAgent }: Options, url: string): boolean {
  if (socketPath !== undefined && socketPath !== null) return false
  if (String(method).toUpperCase() === 'CONNECT') return false
  if (protocol !== undefined && protocol !== null) return protocol === 'http:'
  if (url !== '') return /^\s*http:/i.test(url)
  return _defaultAgent === undefined || _defaultAgent === http.globalAgent
}
