// Outbound by the package undici: decided in the caller's `dispatch`, since a queued call goes on in another's context.
import { bindFunction, currentHandle, hasAnyCome, type Handle } from './context.ts'
import { addHandle, dropHandle, hasHandle } from './header.ts'
import { replace, type Callable } from './replace.ts'

/** Whose call it is, in the options and in every copy of them, so that it is decided once; null: it carries nothing. */
const caller = Symbol('onbehalf.caller')

interface Options {
  readonly [caller]?: string | null
  readonly origin?: string | URL | null
  readonly method?: unknown
  readonly headers?: unknown
}

/** @param exported a class with a `dispatch` or a `compose` of its own. */
export function adaptDispatcher(exported: object): void {
  adaptPrototype((exported as { prototype?: unknown }).prototype)
}

/**
 * The package and Node's own copy share one dispatcher: that of whichever was loaded first.
 * @param exported of the file that has it.
 */
export function adaptGlobalDispatcher(exported: object): void {
  const { getGlobalDispatcher } = exported as { getGlobalDispatcher?: () => unknown }
  if (typeof getGlobalDispatcher !== 'function') return
  let owner: unknown = getGlobalDispatcher()
  while (isObject(owner) && owner !== Object.prototype) {
    adaptPrototype(owner)
    owner = Object.getPrototypeOf(owner)
  }
}

const adapted = new WeakSet<object>()

function adaptPrototype(owner: unknown): void {
  if (!isObject(owner) || adapted.has(owner)) return
  adapted.add(owner)
  if (Object.prototype.hasOwnProperty.call(owner, 'dispatch')) replace(owner, 'dispatch', decidingFirst)
  if (Object.prototype.hasOwnProperty.call(owner, 'compose')) replace(owner, 'compose', decidingOutermost)
}

function decidingFirst(dispatch: Callable): Callable {
  return function (this: unknown, ...args) {
    return Reflect.apply(dispatch, this, decided(this, args))
  }
}

/** Interceptors may queue too, or join equal calls: the last one of a composition is the first to see a call. */
function decidingOutermost(compose: Callable): Callable {
  return function (this: unknown, ...args) {
    const interceptors = (Array.isArray(args[0]) ? args[0] : args) as unknown[]
    const outermost = (dispatch: Callable) => (options: unknown, handler: unknown) =>
      dispatch(...decided(this, [options, handler]))
    return Reflect.apply(compose, this, [...interceptors, outermost])
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function decided(dispatcher: unknown, args: unknown[]): unknown[] {
  const [given, handler, ...rest] = args
  if (!isObject(given)) return args
  const { headers } = given as Options
  if (caller in given) return [carrying(dispatcher, given as Options), handler, ...rest]
  const handle = currentHandle()
  const flat = isIterable(headers) ? [...headers].flat() : headers
  const mark = handle === undefined || hasHandle(flat) ? null : handle
  const options = withMembers(given, { ...(flat === headers ? {} : { headers: flat }), [caller]: mark })
  return [carrying(dispatcher, options), bindHandler(handler, handle), ...rest]
}

/** Not an array, which undici takes as names and values in turn. */
function isIterable(headers: unknown): headers is Iterable<unknown> {
  return (
    typeof headers === 'object' && headers !== null && !Array.isArray(headers) && Symbol.iterator in headers
  )
}

function withMembers(options: object, members: object): Options {
  const prototype = Object.getPrototypeOf(options) as object | null
  return Object.assign(Object.create(prototype) as object, options, members)
}

/** Again at each `dispatch` that a call passes: only the inner ones may know its origin, and redirects change it. */
function carrying(dispatcher: unknown, options: Options): Options {
  const { [caller]: handle, headers, method } = options
  if (typeof handle !== 'string' || method === 'CONNECT') return options
  const origin = originOf(dispatcher, options)
  const has = hasHandle(headers)
  if (/^http:/i.test(origin) && !has) return withMembers(options, { headers: addHandle(headers, handle) })
  if (/^https:/i.test(origin) && has) return withMembers(options, { headers: dropHandle(headers) })
  return options
}

/** A Client and a Pool are made for one origin, which calls then need not name. */
function originOf(dispatcher: unknown, { origin }: Options): string {
  if (origin !== undefined && origin !== null) return String(origin)
  const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'url')
  return symbol === undefined ? '' : String(Reflect.get(dispatcher as object, symbol) as URL)
}

function bindHandler(handler: unknown, handle: Handle): unknown {
  if (!isObject(handler) || !hasAnyCome()) return handler
  return new Proxy(handler, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? bindFunction(member.bind(target) as Callable, handle) : member
    },
  })
}
