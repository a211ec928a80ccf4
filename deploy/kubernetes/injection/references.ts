// Variables of one container for another of its pod: with them goes what their `$(NAME)` stand for.
import type { EnvironmentVariable } from './pod.ts'

export interface Carried {
  /** Each behind all that it refers to. */
  readonly variables: readonly EnvironmentVariable[]
  /** What was asked for and is not carried, and for want of which. */
  readonly left: readonly { readonly name: string; readonly missing: string }[]
}

/** As the kubelet reads it, `$$` is `$`; but no `$` in names, so that each character is looked at once. */
const reference = /\$(?:\$|\(([^)$]*)\))/g

/** Nobody reads such a name: what is NODE_OPTIONS or HTTP_PROXY to the one container is nothing to the other. */
const nameElsewhere = (name: string) => `APP_${name}`

/** What is the same in every container of the pod. */
const sources = ['fieldRef', 'configMapKeyRef', 'secretKeyRef']

/** A variable refers only to those before it, so one pass each way is enough. */
export function carry(env: readonly EnvironmentVariable[], isAsked: (name: string) => boolean): Carried {
  const missing = findMissing(env)
  const needed = new Set<string>()
  const fromLast: EnvironmentVariable[] = []
  for (const [i, variable] of [...env.entries()].toReversed()) {
    const isOwn = isAsked(variable.name) && missing[i] === undefined
    const isNeeded = needed.delete(variable.name)
    if (!isOwn && !isNeeded) continue
    for (const name of namesIn(variable)) needed.add(name)
    const carried = rename(variable)
    if (isOwn) fromLast.push(carried)
    if (isNeeded) fromLast.push({ ...carried, name: nameElsewhere(variable.name) })
  }
  const left = env.flatMap(({ name }, i) => {
    const wanted = missing[i]
    return isAsked(name) && wanted !== undefined ? [{ name, missing: wanted }] : []
  })
  return { variables: fromLast.toReversed(), left }
}

/** For each variable, the name of what another container cannot have of it: that of its own, or of one behind it. */
function findMissing(env: readonly EnvironmentVariable[]): (string | undefined)[] {
  const before = new Map<string, string | undefined>()
  return env.map((variable) => {
    const { name, valueFrom } = variable
    const isFound = isEmpty(valueFrom) || sources.some((key) => Object.hasOwn(valueFrom as object, key))
    const unknown = namesIn(variable).find((each) => !before.has(each) || before.get(each) !== undefined)
    const missing = isFound ? unknown && (before.get(unknown) ?? unknown) : name
    // Which of two is meant depends on who asks.
    before.set(name, before.has(name) ? name : missing)
    return missing
  })
}

/** In manifests that nobody checked yet, a value is whatever stands there. */
function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null
}

function namesIn({ value }: EnvironmentVariable): string[] {
  if (!isText(value)) return []
  return [...value.matchAll(reference)].flatMap(([, name]) => (name === undefined ? [] : [name]))
}

function rename(variable: EnvironmentVariable): EnvironmentVariable {
  const { value } = variable
  if (!isText(value)) return variable
  const renamed = value.replaceAll(reference, (whole, name?: string) =>
    name === undefined ? whole : `$(${nameElsewhere(name)})`,
  )
  return { ...variable, value: renamed }
}
