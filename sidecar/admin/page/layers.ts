// Sorts nodes into layers by who calls whom: callers before those they call, strangers first, elsewhere last.

export interface Link {
  readonly from: string
  readonly to: string
}

const first: ReadonlySet<string> = new Set(['users', 'nobody', 'unverified'])
const last = 'elsewhere'

/** The layer of each node, from 0. Calls in a ring are taken the other way round where the ring is closed. */
export function layersOf(links: readonly Link[]): ReadonlyMap<string, number> {
  const names = [...new Set(links.flatMap(({ from, to }) => [from, to]))].sort(byStrangeness)
  const calls = forwardCalls(names, links)
  const layers = new Map(names.map((name) => [name, 0]))
  // As many rounds as the longest way can have steps.
  for (const _ of names) {
    for (const { from, to } of calls) {
      layers.set(to, Math.max(layers.get(to) ?? 0, (layers.get(from) ?? 0) + 1))
    }
  }
  if (layers.has(last)) layers.set(last, Math.max(...layers.values()))
  return layers
}

function byStrangeness(a: string, b: string): number {
  return Number(first.has(b)) - Number(first.has(a)) || a.localeCompare(b)
}

/** The calls without those that close a ring. Callers whom nobody calls are followed first. */
function forwardCalls(names: readonly string[], links: readonly Link[]): readonly Link[] {
  const called = new Set(links.filter(({ from, to }) => from !== to).map(({ to }) => to))
  const roots = [...names.filter((name) => !called.has(name)), ...names]
  const done = new Set<string>()
  const open = new Set<string>()
  const kept: Link[] = []
  const follow = (name: string): void => {
    if (done.has(name)) return
    done.add(name)
    open.add(name)
    for (const link of links.filter(({ from }) => from === name)) {
      if (open.has(link.to)) continue
      kept.push(link)
      follow(link.to)
    }
    open.delete(name)
  }
  for (const root of roots) follow(root)
  return kept
}
