// What is left of a run: everything that was measured, as JSON.
import type { Conditions, Lengths } from './conditions.ts'
import type { Parts } from './scenarios/all.ts'

export interface Results {
  readonly conditions: Conditions
  /** What could not be measured, and why, by its name. */
  readonly not_measured: Readonly<Record<string, string>>
  /** When and how long each scenario was measured. */
  readonly measured: { readonly [Name in keyof Parts]?: Lengths }
  readonly scenarios: Parts
}

/** JSON with figures as exact as they are worth, and what holds nothing but values in one line. */
export function toJson(results: Results): string {
  const text = JSON.stringify(results, rounded, 2)
  return `${text.replace(/[[{]\n[^[\]{}]*\n *[\]}]/g, (leaf) => leaf.replace(/\s*\n\s*/g, ' '))}\n`
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
}

/** One scenario's results in the place of its earlier ones; whatever else is new is of it. */
export function withOnly(known: Results, name: string, fresh: Results): Results {
  const without = <Value>(members: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(members).filter(([key]) => key !== name))
  return {
    conditions: known.conditions,
    not_measured: { ...without(known.not_measured), ...fresh.not_measured },
    measured: { ...without(known.measured), ...fresh.measured },
    scenarios: { ...without(known.scenarios), ...fresh.scenarios },
  }
}
