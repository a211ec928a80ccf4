// Whose request is being served here: the one storage, and how code is run in it or out of it.
import { AsyncLocalStorage } from 'node:async_hooks'
import { replace, type Callable } from './replace.ts'

/** Of the request whose context this is; undefined: of none, or it had none. */
export type Handle = string | undefined

/**
 * In place of a handle, where what a request began serves others too. It is carried like one: to the sidecar it names
 * nobody, and takes away the word of an agent, which would name whoever was first.
 */
export const unknownHandle = 'unknown'

const storage = new AsyncLocalStorage<Handle>()
const isBound = Symbol('bound')
let anyCame = false

export const currentHandle = (): Handle => storage.getStore()

/** Whether a handle ever came into this process: until then there is nothing to keep apart. */
export const hasAnyCome = (): boolean => anyCame

export function runWith<T>(handle: Handle, run: () => T): T {
  if (storage.getStore() === handle) return run()
  if (handle !== undefined) anyCame = true
  return storage.run(handle, run)
}

/** What is begun here and will serve others: nobody's, and known to be so where a request began it. */
export function ownerless(): Handle {
  return currentHandle() === undefined ? undefined : unknownHandle
}

/** Makes a function of an object run in nobody's context, and with it what it starts. */
export function makeOwnerless(owner: object, name: string): void {
  replace(
    owner,
    name,
    (original) =>
      function (this: unknown, ...args) {
        return runWith(ownerless(), () => Reflect.apply(original, this, args))
      },
  )
}

/**
 * Makes an emitter's listeners run in a context, wherever the event comes from.
 * @param child the event whose argument is bound likewise.
 */
export function bindEvents(emitter: unknown, handle: Handle, child?: string): void {
  if (typeof emitter !== 'object' || emitter === null) return
  const emit: unknown = Reflect.get(emitter, 'emit')
  if (typeof emit !== 'function' || isBound in emit) return
  const bound = function (this: unknown, ...args: unknown[]): unknown {
    if (child !== undefined && args[0] === child) bindEvents(args[1], handle)
    if (storage.getStore() === handle) return Reflect.apply(emit, this, args)
    return storage.run(handle, Reflect.apply<unknown, unknown[], unknown>, emit as Callable, this, args)
  }
  bound[isBound] = true
  Object.defineProperty(emitter, 'emit', { value: bound, configurable: true, writable: true })
}

export function bindFunction(run: Callable, handle: Handle): Callable {
  return function (this: unknown, ...args) {
    return runWith(handle, () => Reflect.apply(run, this, args))
  }
}
