// Packages as they are loaded, each copy of them: their exports are handed over before the app sees them.
import module from 'node:module'
import { replace } from './replace.ts'

type Adapt = (exported: object) => void

interface Loaded {
  readonly exports: unknown
}

/** Of Node's loader for CommonJS, which also loads what ES modules import of it. */
interface Internals {
  readonly prototype: object
  readonly _cache?: Readonly<Record<string, Loaded | undefined>>
}

/** @param adapters what to do with the exports of a file, by the end of its path with `/` between folders. */
export function adaptWhenLoaded(adapters: Readonly<Record<string, Adapt>>): void {
  const { prototype, _cache: cache } = module as unknown as Internals
  const adapt = (loaded: Loaded, path: string): void => {
    const name = path.replaceAll('\\', '/')
    for (const [end, adaptExports] of Object.entries(adapters)) {
      if (name.endsWith(end) && isExported(loaded.exports)) adaptExports(loaded.exports)
    }
  }
  replace(
    prototype,
    '_compile',
    (compile) =>
      function (this: unknown, ...args) {
        const result = Reflect.apply(compile, this, args)
        adapt(this as Loaded, String(args[1]))
        return result
      },
  )
  // An agent that was loaded before may have brought some.
  for (const [path, loaded] of Object.entries(cache ?? {})) if (loaded !== undefined) adapt(loaded, path)
}

const isExported = (value: unknown): value is object =>
  typeof value === 'function' || (typeof value === 'object' && value !== null)
