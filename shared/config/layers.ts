// What holds for one service: the top of the file, over it the service's entry, over both flags and environment.
import type { Path } from './problem.ts'
import type { Override } from './source.ts'

/** Maps are merged key by key; of everything else the upper one wins. */
export function mergeLayers(lower: unknown, upper: unknown): unknown {
  if (!isMap(lower) || !isMap(upper)) return upper === undefined ? lower : upper
  const merged: Record<string, unknown> = { ...lower }
  for (const [key, value] of Object.entries(upper)) merged[key] = mergeLayers(merged[key], value)
  return merged
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The overrides as they would stand in a service's entry. */
export function overrideLayer(overrides: readonly Override[]): unknown {
  let layer: unknown = {}
  for (const { path, value } of overrides) {
    layer = mergeLayers(
      layer,
      path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
    )
  }
  return layer
}

/** How many steps of `path` exist in a value. */
export function depthOf(value: unknown, path: Path): number {
  let inner = value
  for (const [depth, step] of path.entries()) {
    const exists = typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
    if (!exists) return depth
    inner = (inner as Record<string | number, unknown>)[step]
  }
  return path.length
}
