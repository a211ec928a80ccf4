// Keys whose feature is not served by this release: refused where they ask for more than the default.
import { isMap } from './layers.ts'
import type { Path, ProblemSink } from './problem.ts'

interface UnservedKey {
  /** `*` stands for each element of a list. */
  readonly path: readonly string[]
  asksForMore(value: unknown): boolean
  readonly instead: string
}

const isNonEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length > 0

const unservedKeys: readonly UnservedKey[] = [
  { path: ['mesh', 'tls'], asksForMore: (value) => value === 'strict', instead: 'write `tls: permissive`' },
  {
    path: ['issuers', '*', 'edges', 'client_certificate'],
    asksForMore: isNonEmptyList,
    instead: 'say by `source_ip` from where users come',
  },
  { path: ['passthrough_ports'], asksForMore: isNonEmptyList, instead: 'remove it' },
]

/** Checks the top of the file, or a service's entry; `base` is its path. */
export function reportUnserved(settings: unknown, base: Path, problems: ProblemSink): void {
  for (const key of unservedKeys) {
    for (const { path, value } of findAll(settings, key.path, base)) {
      if (!key.asksForMore(value)) continue
      problems.error(path, `asks for what this release does not serve yet; ${key.instead}`)
    }
  }
}

function findAll(value: unknown, pattern: readonly string[], base: Path): { path: Path; value: unknown }[] {
  const [step, ...rest] = pattern
  if (step === undefined) return [{ path: base, value }]
  if (step === '*') {
    return Array.isArray(value) ? value.flatMap((item, index) => findAll(item, rest, [...base, index])) : []
  }
  return isMap(value) && Object.hasOwn(value, step) ? findAll(value[step], rest, [...base, step]) : []
}
