// `onbehalf explain`: why a call carried, or did not carry, this user: from the last decisions of a running sidecar.
import { parseArgs } from 'node:util'
import { formatProblem } from '../../shared/config/problem.ts'
import type { Decision, RecordedSource } from '../../shared/decision.ts'
import type { Principal } from '../../shared/identity.ts'
import { describeMeshOptions, meshOptions, readMesh, type MeshQuestion } from '../mesh-file.ts'
import { AdminFault, askAdmin } from './admin-client.ts'
import { exitStatus, type Io } from './io.ts'
import { escapeTreacherous, quoteUnlessPlain } from './token-words.ts'

const usage = `Usage: onbehalf explain ID [--config FILE] [--service NAME] [-o json]

Says what the running sidecar of a service decided about a request, and why: who called, what the app carried
into its own calls, which of it named the user, or why there was none. Of the last 1,000 requests.

ID is that of a request (x-onbehalf-request-id of a refusal, request_id in the log), of a trace (trace_id), or a
whole traceparent. With a request come the calls that it caused, also where the app carries no trace into them, and
with a call the request that caused it.

Example:
  onbehalf explain 0af7651916cd43dd8448eb211c80319c --config mesh.yaml --service App

Options (and the variables that stand for them):
${describeMeshOptions()}  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Exit status: 0 found, 1 the sidecar has no such request, 2 wrong use, or no sidecar answers.
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
  const { mesh, problems } = await readMesh({ flags: asked.flags, env: io.env, cwd: io.cwd, files: 'trust' })
  if (mesh === undefined) {
    for (const problem of problems) io.stderr.write(`${formatProblem(problem)}\n`)
    return exitStatus.wrong
  }
  try {
    const target = `/decisions?${new URLSearchParams({ id: asked.id }).toString()}`
    const found = (await askAdmin(mesh, io.env, target)) as readonly Decision[]
    const oldestFirst = [...found].reverse()
    const text = asked.json ? `${JSON.stringify(oldestFirst, undefined, 2)}\n` : toText(oldestFirst)
    io.stdout.write(escapeTreacherous(text))
    if (found.length > 0) return exitStatus.done
    io.stderr.write(
      `the sidecar of ${mesh.service} has no request or trace ${asked.id} among its last ones\n`,
    )
    return exitStatus.no
  } catch (error) {
    if (!(error instanceof AdminFault)) throw error
    io.stderr.write(`onbehalf explain: ${error.message}\n`)
    return exitStatus.wrong
  }
}

interface Asked {
  readonly id: string
  readonly json: boolean
  readonly help: boolean
  readonly flags: MeshQuestion['flags']
}

/** What is asked, or in words what is wrong with the arguments. */
function readArguments(args: string[]): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        ...meshOptions,
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    })
    const { help = false, output, ...flags } = values
    const [id, ...others] = positionals
    if (!help && (id === undefined || others.length > 0)) return 'give one id, of a request or of a trace'
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
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name.padEnd(14)} ${value}\n`],
  )
  return `${direction} ${method} ${host}${path} ${verdict}${reported}\n${lines.join('')}`
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
