// `onbehalf explain`: why a call carried, or did not carry, this user: from the last decisions of a running sidecar.
import type { Mesh } from '../../shared/config/mesh.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import { didYouMean } from '../../shared/config/suggest.ts'
import type { Decision, RecordedSource } from '../../shared/decision.ts'
import { isRefusalCode, refusalCodes, statusOf, type RefusalCode } from '../../shared/errors.ts'
import type { Principal } from '../../shared/identity.ts'
import { formatAdvice, refusalGuide } from '../../shared/refusal-guide.ts'
import { describeMeshOptions, meshOptions, readMesh, type MeshQuestion } from '../mesh-file.ts'
import { AdminFault, askAdmin } from './admin-client.ts'
import { exitStatus, type Io } from './io.ts'
import { readOptions } from './options.ts'
import { escapeTreacherous, quoteUnlessPlain } from './token-words.ts'

const usage = `Usage: onbehalf explain ID|CODE [--config FILE] [--service NAME] [-o json]

With the ID of a request (x-onbehalf-request-id of a refusal, request_id in the log), of a trace (trace_id), or a
whole traceparent: says what the running sidecars on this machine decided about it, hop by hop, and why: who called,
what the app carried into its own calls, which of it named the user, or why there was none, and what to change where
it was refused. With a request come the calls that it caused, also where the app carries no trace into them, and with
a call the request that caused it. Of the last 1,000 requests of each sidecar; of one of them with --service.

With the CODE of a refusal: says what it means, what usually causes it, and what to change; no sidecar is asked.

Examples:
  onbehalf explain 0af7651916cd43dd8448eb211c80319c --config mesh.yaml
  onbehalf explain original_user_lost

Options (and the variables that stand for them):
${describeMeshOptions()}  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Exit status: 0 found, 1 no sidecar has such a request, 2 wrong use, or no sidecar answers.
`

/** @returns 0 where something was found, 1 where nothing was, 2 where it cannot be told. */
export async function explain(args: string[], io: Io): Promise<number> {
  const asked = readArguments(args)
  if (typeof asked === 'string') {
    io.stderr.write(`onbehalf explain: ${asked}\nSee onbehalf explain --help.\n`)
    return exitStatus.wrong
  }
  if (asked.help) {
    io.stdout.write(usage)
    return exitStatus.done
  }
  if (isRefusalCode(asked.id)) return explainCode(asked.id, asked.json, io)
  const { meshes, problems } = await readMeshes(asked, io)
  if (meshes.length === 0) {
    // No mesh file is needed for a code.
    const meant = didYouMean(asked.id, refusalCodes)
    const words = problems.map(formatProblem).join('\n')
    io.stderr.write(
      meant === '' ? `${words}\n` : `onbehalf explain: there is no refusal ${asked.id}${meant}\n`,
    )
    return exitStatus.wrong
  }
  const { found, isAnswered } = await askAll(meshes, asked.id, io)
  if (!isAnswered) return exitStatus.wrong
  const oldestFirst = found.toSorted((a, b) => a.atMs - b.atMs)
  const text = asked.json ? `${JSON.stringify(oldestFirst, undefined, 2)}\n` : toText(oldestFirst)
  io.stdout.write(escapeTreacherous(text))
  if (found.length > 0) return exitStatus.done
  io.stderr.write(notFound(asked.id, meshes))
  return exitStatus.no
}

function explainCode(code: RefusalCode, json: boolean, io: Io): number {
  const advice = { code, status: statusOf(code), ...refusalGuide[code] }
  io.stdout.write(json ? `${JSON.stringify(advice, undefined, 2)}\n` : formatAdvice(code, advice.status))
  return exitStatus.done
}

function notFound(id: string, meshes: readonly Mesh[]): string {
  const names = meshes.map(({ service }) => service).join(', ')
  const whose = meshes.length === 1 ? `the sidecar of ${names} has no` : `the sidecars of ${names} have no`
  return `${whose} request or trace ${id} among their last ones${didYouMean(id, refusalCodes)}\n`
}

/** One service's, where one is named; else those of all services of the file. */
async function readMeshes({ flags }: Asked, { env, cwd }: Io) {
  const question = { flags, env, cwd, files: 'trust' } as const
  const first = await readMesh(question)
  const isNamed = flags['service'] !== undefined || (env['ONBEHALF_SERVICE'] ?? '') !== ''
  if (isNamed || first.services.length < 2) {
    return { meshes: first.mesh === undefined ? [] : [first.mesh], problems: first.problems }
  }
  const answers = await Promise.all(
    first.services.map((service) => readMesh({ ...question, flags: { ...flags, service } })),
  )
  const problems = answers.flatMap((answer) => answer.problems)
  return { meshes: answers.flatMap(({ mesh }) => mesh ?? []), problems }
}

/** Those that do not answer are named; they may run elsewhere. */
async function askAll(
  meshes: readonly Mesh[],
  id: string,
  io: Io,
): Promise<{ found: Decision[]; isAnswered: boolean }> {
  const target = `/decisions?${new URLSearchParams({ id }).toString()}`
  const found: Decision[] = []
  let isAnswered = false
  for (const mesh of meshes) {
    try {
      // The later one of two of the same time came later.
      found.push(...((await askAdmin(mesh, io.env, target)) as Decision[]).toReversed())
      isAnswered = true
    } catch (error) {
      if (!(error instanceof AdminFault)) throw error
      io.stderr.write(`onbehalf explain: ${mesh.service}: ${error.message}\n`)
    }
  }
  return { found, isAnswered }
}

interface Asked {
  readonly id: string
  readonly json: boolean
  readonly help: boolean
  readonly flags: MeshQuestion['flags']
}

const options = {
  ...meshOptions,
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const

/** What is asked, or in words what is wrong with the arguments. */
function readArguments(args: string[]): Asked | string {
  try {
    const { values, positionals } = readOptions(args, options, true)
    const { help = false, output, ...flags } = values
    const [id, ...others] = positionals
    if (!help && (id === undefined || others.length > 0)) {
      return 'give one id, of a request or of a trace, or the code of a refusal'
    }
    if (output !== undefined && output !== 'json') return '-o: must be json'
    return { id: idIn(id ?? ''), json: output === 'json', help, flags }
  } catch (error) {
    return (error as Error).message
  }
}

function idIn(text: string): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(text)?.[1] ?? text
}

function toText(decisions: readonly Decision[]): string {
  return decisions.map(describe).join('\n')
}

function describe(decision: Decision): string {
  const { direction, method, host, path, route, outcome, code, reason, detail } = decision
  const verdict = outcome === 'allowed' ? 'allowed' : `refused: ${code}`
  const reported = decision.mode === 'report' && outcome === 'refused' ? ', let through (mode: report)' : ''
  const isInbound = direction === 'inbound'
  const advice = code && refusalGuide[code]
  const rows: (readonly [string, string | undefined])[] = [
    ['at', new Date(decision.atMs).toISOString()],
    ['request', decision.requestId],
    ['trace', decision.traceId],
    ['route', route ?? (isInbound ? undefined : 'none of the mesh: no identity goes along')],
    ['certificate', decision.certificate],
    ['caller', isInbound ? principal(decision.caller) : undefined],
    ['original user', isInbound || decision.originalUser ? principal(decision.originalUser) : undefined],
    ['by way of', decision.chain?.map((account) => quoteUnlessPlain(account)).join(', ')],
    ...carried(decision),
    ['why', reason],
    ['detail', detail],
    ['causes', advice?.causes],
    ['change', advice?.change],
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name.padEnd(14)} ${value}\n`],
  )
  return `${decision.service}: ${direction} ${method} ${host}${path} ${verdict}${reported}\n${lines.join('')}`
}

function principal(who: Decision['caller']): string {
  return who === undefined ? 'none' : `${who.kind} ${nameOf(who)}`
}

function nameOf({ issuer, subject }: Principal): string {
  return quoteUnlessPlain(`${issuer}/${subject}`)
}

/** What the app carried into a call; nothing for a call where nobody asked. */
function carried({ sources }: Decision): (readonly [string, string])[] {
  if (sources === undefined) return []
  if (sources.length === 0) return [['carried', 'no handle, and no user’s token']]
  return sources.map((source) => ['carried', `${source.name}: ${meaning(source)}`] as const)
}

function meaning({ says, user, requestId }: RecordedSource): string {
  const of = requestId === undefined ? '' : `, of request ${requestId}`
  switch (says) {
    case 'user':
      return `user ${user === undefined ? '' : nameOf(user)}${of}`
    case 'own':
      return `a service account’s own call${of}`
    case 'nobody':
      return `nobody${of}`
    case 'ended':
      return 'a request that has ended, or never came here'
  }
}
