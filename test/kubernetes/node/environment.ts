// The environment of a container, as the kubelet makes it: fields of the pod, and variables in variables.
import type { EnvironmentVariable } from '../../../deploy/kubernetes/injection/pod.ts'

/** What `fieldRef` can name. */
export type Fields = Readonly<Record<string, string>>

export function environmentOf(
  variables: readonly EnvironmentVariable[],
  fields: Fields,
): Record<string, string> {
  const made: Record<string, string> = {}
  for (const { name, value, valueFrom } of variables)
    made[name] = valueFrom === undefined ? expand(value ?? '', made) : field(valueFrom, fields)
  return made
}

function field(valueFrom: unknown, fields: Fields): string {
  const path =
    (valueFrom as { readonly fieldRef?: { readonly fieldPath?: string } }).fieldRef?.fieldPath ?? ''
  const value = fields[path]
  if (value === undefined) throw new Error(`there is no field "${path}" here`)
  return value
}

/** `$(NAME)` is a variable that stands before this one, or stays as it is; `$$` is `$`. */
export function expand(text: string, made: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (made[name] ?? whole),
  )
}
