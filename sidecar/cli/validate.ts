// `onbehalf validate`: reads the mesh file as `run` would, says what is wrong, and what the sidecar would do.
import { formatProblem, type Problem } from '../../shared/config/problem.ts'
import { describeMeshOptions, readMesh, type MeshAnswer, type MeshQuestion } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import { readReportOptions } from './report-options.ts'
import { formatSummary, summarize, type Summary } from './summary.ts'

const usage = `Usage: onbehalf validate [--config FILE] [--service NAME] [-o json]

Reads the mesh file, reports every problem as file:line:column, and says what the sidecar of the
service would do. Opens nothing. Without --service, every service of the file is checked.

Example:
  onbehalf validate --config onbehalf.yaml --service App

Options (and the variables that stand for them):
${describeMeshOptions()}  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Exit status: 0 valid, warnings included; 2 not valid.
`

/** @returns 0 for a valid file, warnings included; 2 for errors and wrong use. */
export async function validate(args: string[], io: Io): Promise<number> {
  const options = readReportOptions(args)
  if (typeof options === 'string') {
    io.stderr.write(`onbehalf validate: ${options}\nSee onbehalf validate --help.\n`)
    return exitStatus.wrong
  }
  if (options.help === true) {
    io.stdout.write(usage)
    return exitStatus.done
  }
  const { help: _help, output, ...flags } = options
  const answers = await readAll({ flags, env: io.env, cwd: io.cwd })
  const problems = distinct(answers.flatMap((answer) => answer.problems))
  for (const problem of problems) io.stderr.write(`${formatProblem(problem)}\n`)
  const summaries = answers.flatMap((answer) =>
    answer.mesh === undefined ? [] : [summarize(answer.mesh, answer.policyKinds)],
  )
  const isValid = problems.every((problem) => problem.severity !== 'error')
  io.stdout.write(output === 'json' ? toJson(isValid, summaries, problems) : toText(isValid, summaries))
  return isValid ? exitStatus.done : exitStatus.wrong
}

/** For the service that is named, or else for each of the file. */
async function readAll(question: MeshQuestion): Promise<MeshAnswer[]> {
  const first = await readMesh(question)
  const isNamed = question.flags['service'] !== undefined || (question.env['ONBEHALF_SERVICE'] ?? '') !== ''
  if (isNamed || first.services.length < 2) return [first]
  const { services } = first
  return Promise.all(
    services.map((service) => readMesh({ ...question, flags: { ...question.flags, service } })),
  )
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  )
}

function toJson(isValid: boolean, services: readonly Summary[], problems: readonly Problem[]): string {
  return `${JSON.stringify({ valid: isValid, services, problems }, null, 2)}\n`
}

function toText(isValid: boolean, summaries: readonly Summary[]): string {
  if (!isValid) return ''
  if (summaries.length === 1) return summaries.map(formatSummary).join('')
  return summaries.map((summary) => `${summary.service}: ${oneLine(summary)}\n`).join('')
}

function oneLine({ routes, calls, app, attaches }: Summary): string {
  const hosts = [...new Set(routes.map((route) => route.host))].join(', ')
  const called = calls.length === 0 ? 'calls nobody' : `calls ${calls.map((call) => call.route).join(', ')}`
  const account = attaches.length === 0 ? 'has no credential' : `attaches ${attaches.join(' and ')}`
  return `serves ${hosts} by ${app ?? 'no app'}; ${called}; ${account}`
}
