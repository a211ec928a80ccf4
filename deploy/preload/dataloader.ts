// A DataLoader makes one call for several loads: whose it is, where they are of different users, is nobody's.
import { currentHandle, ownerless, runWith, unknownHandle, type Handle } from './context.ts'
import { replace, type Callable } from './replace.ts'

interface Loader {
  readonly _batch?: { readonly keys?: unknown } | null
  readonly _batchLoadFn?: unknown
}

interface Batch {
  readonly handle: Handle
  /** How many of its keys were counted. */
  readonly length: number
}

/** @param exported the class. */
export function adaptDataLoader(exported: object): void {
  const { prototype } = exported as { prototype?: object }
  if (prototype === undefined) return
  const batches = new WeakMap<object, Batch>()
  const adapted = new WeakSet<object>()
  replace(
    prototype,
    'load',
    (load) =>
      function (this: unknown, ...args) {
        const loader = this as Loader
        if (!adapted.has(loader)) adaptBatches(loader, batches)
        adapted.add(loader)
        const promise = Reflect.apply(load, this, args)
        countLoad(loader, batches)
        return promise
      },
  )
}

/** A batch of which nothing is known, as in older versions, is nobody's. */
function adaptBatches(loader: Loader, batches: WeakMap<object, Batch>): void {
  const { _batchLoadFn: loadBatch } = loader
  if (typeof loadBatch !== 'function') return
  const adapted = function (this: unknown, ...args: unknown[]): unknown {
    const [keys] = args as [object]
    const handle = batches.has(keys) ? batches.get(keys)?.handle : ownerless()
    return runWith(handle, () => Reflect.apply(loadBatch as Callable, this, args))
  }
  Reflect.set(loader, '_batchLoadFn', adapted)
}

/** A load that is answered from the cache adds no key, and has no part in the call. */
function countLoad({ _batch: batch }: Loader, batches: WeakMap<object, Batch>): void {
  const keys = batch?.keys
  if (!Array.isArray(keys) || keys.length === 0) return
  const { handle, length } = batches.get(keys) ?? { handle: currentHandle(), length: 0 }
  if (keys.length === length) return
  batches.set(keys, { handle: handle === currentHandle() ? handle : unknownHandle, length: keys.length })
}
