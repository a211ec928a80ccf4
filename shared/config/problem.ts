// What is wrong with a mesh file: collected, never thrown one by one.

export type Path = readonly (string | number)[]

export interface Problem {
  readonly severity: 'error' | 'warning'
  /** The mesh file, or what set the value instead: `--app`, `ONBEHALF_APP`. */
  readonly file: string
  /** From 1; 0 where `file` is not a file. */
  readonly line: number
  /** From 1; 0 where `file` is not a file. */
  readonly column: number
  readonly path: Path
  /** What is wrong and what to write instead. Never holds a secret. */
  readonly message: string
}

/** Where the parts of the loader put what they find. */
export interface ProblemSink {
  error(path: Path, message: string): void
  warn(path: Path, message: string): void
}

/** `a.b[2].c`, as in messages. */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  )
}

/** `file:line:column path: what is wrong`, or `--app: what is wrong` for what no file holds. */
export function formatProblem(problem: Problem): string {
  const path = problem.line === 0 ? '' : formatPath(problem.path)
  const where = problem.line === 0 ? `${problem.file}:` : `${problem.file}:${problem.line}:${problem.column}`
  const prefix = problem.severity === 'warning' ? 'warning: ' : ''
  return path === ''
    ? `${where} ${prefix}${problem.message}`
    : `${where} ${path}: ${prefix}${problem.message}`
}
