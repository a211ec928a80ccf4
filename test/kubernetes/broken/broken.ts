// How a good object is broken.

/** What is changed of a good object, and the one problem that it then has; none where that is allowed. */
export type Break = readonly [kind: string, path: string, value: unknown, problem?: string | undefined]

export function long(length: number): string {
  return 'a'.repeat(length)
}
