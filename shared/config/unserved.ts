// Keys whose feature is not served by this release: refused where they ask for more than the default.
import { isMap } from './layers.ts'
import type { Path, ProblemSink } from './problem.ts'

interface UnservedKey {
  readonly key: string
  asksForMore(value: unknown): boolean
  readonly instead: string
}

const unservedKeys: readonly UnservedKey[] = [
  {
    key: 'passthrough_ports',
    asksForMore: (value) => Array.isArray(value) && value.length > 0,
    instead: 'remove it',
  },
]

/** Checks the top of the file, or a service's entry; `base` is its path. */
export function reportUnserved(settings: unknown, base: Path, problems: ProblemSink): void {
  if (!isMap(settings)) return
  for (const { key, instead, ...each } of unservedKeys) {
    if (!each.asksForMore(settings[key])) continue
    problems.error([...base, key], `asks for what this release does not serve yet; ${instead}`)
  }
}
