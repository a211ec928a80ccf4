// Packages as they are loaded, each copy of them: their exports are handed over before the app sees them.
import module from 'node:module'
import { replace, type Callable } from './replace.ts'

type Adapt = (exported: object) => void

/** @param adapters what to do with the exports of a file, by the end of its path with `/` between folders. */
export function adaptWhenLoaded(adapters: Readonly<Record<string, Adapt>>): void {
  const ends = Object.entries(adapters)
  const compile = (original: Callable): Callable =>
    function (this: unknown, ...args) {
      const result = Reflect.apply(original, this, args)
      const file = String(args[1]).replaceAll('\\', '/')
      for (const [end, adapt] of ends) {
        if (file.endsWith(end)) adaptExports(this, adapt)
      }
      return result
    }
  replace((module as unknown as { prototype: object }).prototype, '_compile', compile)
}

function adaptExports(loaded: unknown, adapt: Adapt): void {
  const { exports } = loaded as { exports: unknown }
  if (exports !== null && (typeof exports === 'object' || typeof exports === 'function')) adapt(exports)
}
