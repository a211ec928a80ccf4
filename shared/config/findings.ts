// Gathers the problems of a mesh file, each with its place, in the order in which a reader meets them.
import type { MeshDocument, Position } from './document.ts'
import type { Path, Problem, ProblemSink } from './problem.ts'

export interface Findings extends ProblemSink {
  add(severity: Problem['severity'], position: Position, path: Path, message: string): void
  /** About a flag or a variable: there is no line. */
  addFromOutside(severity: Problem['severity'], source: string, path: Path, message: string): void
  /** Sorted by position; what two checks say alike stands there once. */
  list(): Problem[]
}

/** Problems of the file `file`; each path of `error` and `warn` is one of the file's own. */
export function collectFindings(file: string, document: MeshDocument): Findings {
  const problems = new Map<string, Problem>()
  const put = (problem: Problem): void => {
    const { file: place, line, column, message } = problem
    const id = [place, line, column, message].join('\n')
    if (!problems.has(id)) problems.set(id, problem)
  }
  const findings: Findings = {
    add: (severity, { line, column }, path, message) =>
      put({ severity, file, line, column, path, message: asSentence(message) }),
    addFromOutside: (severity, source, path, message) =>
      put({ severity, file: source, line: 0, column: 0, path, message: asSentence(message) }),
    error: (path, message) => findings.add('error', document.locate(path), path, message),
    warn: (path, message) => findings.add('warning', document.locate(path), path, message),
    list: () => [...problems.values()].sort((a, b) => a.line - b.line || a.column - b.column),
  }
  return findings
}

/** All messages read alike, whoever wrote them. */
function asSentence(message: string): string {
  const end = /[.?!]$/.test(message) ? '' : '.'
  return message.charAt(0).toUpperCase() + message.slice(1) + end
}
