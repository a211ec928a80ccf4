// `onbehalf token verify`: whether the sidecar of a service would accept a token, and if not, why.
import { isIP } from 'node:net'
import { Refusal } from '../../shared/errors.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { readTarget } from '../../shared/target.ts'
import { readTrustMaterial } from '../material.ts'
import { meshOptions } from '../mesh-file.ts'
import { exitStatus } from './io.ts'
import {
  ConfigurationLines,
  isJson,
  parse,
  parseTime,
  readSoundMesh,
  readToken,
  readTokenFrom,
  UsageFault,
  type TokenCommand,
  type TokenSources,
} from './token-input.ts'
import { KeyRing, planKeys, type KeyPlan } from './token-keys.ts'
import { askSidecar } from './token-question.ts'
import { formatVerdict, makeVerdict, type Verdict } from './token-verdict.ts'
import { escapeTreacherous } from './token-words.ts'
import { readCertificates } from './certificates-option.ts'

const usage = `Usage: onbehalf token verify [--config FILE] [--service NAME] [TOKEN] [options]

Says what the sidecar of the service would answer to a request with this token as its
X-Pomerium-Jwt-Assertion, by the same decision: accepted, as whom, and what its app would get; or refused,
by which check, what was found and what was expected. Revocations and single use, which only a running
sidecar knows, are not consulted. Of the files that the mesh file names, only the CAs must be there.

  TOKEN               The token; @FILE reads it from a file, - or nothing from standard input.
                      (What stands on a command line, others on the machine can see.)

Options:
  --config FILE       The mesh file. Default: onbehalf.yaml in the current folder. (ONBEHALF_CONFIG)
  --service NAME      The service that is called. (ONBEHALF_SERVICE)
  --for TOKEN         The X-Pomerium-Jwt-Assertion-For beside it; also @FILE or -.
  --via LINKS         The x-onbehalf-via beside them; also @FILE or -.
  --path PATH         Default: /.
  --method METHOD     Default: GET.
  --from ADDRESS      The IP address of the peer, for issuers[].edges and policies. Default: 127.0.0.1.
  --at TIME           Another moment than now: 2026-01-15T12:00:00Z, or seconds since the epoch.
  --keys live|FILE    Where the issuers' keys come from: fetched as the sidecar does (the default), or a
                      JWKS in a file; with several issuers NAME=FILE, once for each.
  --certificates FILE PEM of accounts' certificates, for what travels without its own (x5c), as it does
                      where there is a store; may be given several times.
  --offline           Fetch nothing: keys come from files only.
  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Examples:
  onbehalf token verify --config mesh.yaml --service API @token
  onbehalf token verify --config mesh.yaml --service API --for @user-token --path /orders @token
  onbehalf token verify --config mesh.yaml --service App --keys jwks.json --at 2026-01-15T03:12:00Z @token

Exit status: 0 accepted; 1 refused; 2 wrong use or configuration, or it cannot be told now (no keys).
`

const { config, service } = meshOptions
export const verify: TokenCommand = {
  usage,
  async run(args, io, openInput) {
    const { values, positionals } = parse(args, {
      config,
      service,
      for: { type: 'string' },
      via: { type: 'string' },
      path: { type: 'string', default: '/' },
      method: { type: 'string', default: 'GET' },
      from: { type: 'string', default: '127.0.0.1' },
      at: { type: 'string' },
      keys: { type: 'string', multiple: true, default: [] },
      certificates: { type: 'string', multiple: true, default: [] },
      offline: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o' },
    })
    const json = isJson(values.output)
    const request = readRequest(values)
    const nowMs = values.at === undefined ? Date.now() : parseTime(values.at)
    const mesh = await readSoundMesh({ config: values.config, service: values.service }, io, 'trust')
    const plan = planKeys(mesh, values.keys, values.offline, io.cwd)
    const tokens = await readTokens(positionals, values, { io, openInput })
    const certificates = await readCertificates(values.certificates, io)
    const isNow = values.at === undefined
    const verdict = await judge({ ...tokens, ...request, certificates, nowMs, isNow }, mesh, plan)
    const text = json ? `${JSON.stringify(verdict, null, 2)}\n` : formatVerdict(verdict)
    io.stdout.write(escapeTreacherous(text))
    return statusOf[verdict.answer]
  },
}

const statusOf: Record<Verdict['answer'], number> = {
  accepted: exitStatus.done,
  refused: exitStatus.no,
  cannot_tell: exitStatus.wrong,
}

interface Request {
  readonly path: string
  readonly method: string
  readonly peer: { readonly address: string }
}

function readRequest({ path, method, from }: { path: string; method: string; from: string }): Request {
  if (isIP(from) === 0) throw new UsageFault(`--from: "${from}" is no IP address`)
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(method)) throw new UsageFault(`--method: "${method}" is no method`)
  try {
    readTarget({ method, target: path, headers: ['Host', 'localhost'] })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new UsageFault(`--path: "${path}" cannot be sent: ${error.message}`)
  }
  return { path, method, peer: { address: from } }
}

async function readTokens(
  positionals: readonly string[],
  given: { readonly for?: string | undefined; readonly via?: string | undefined },
  sources: TokenSources,
): Promise<Pick<Asked, 'token' | 'tokenFor' | 'via'>> {
  const fromInput = [positionals[0] ?? '-', given.for, given.via].filter((each) => each === '-')
  if (fromInput.length > 1) {
    throw new UsageFault('only one of the two tokens, or the links, can come from standard input')
  }
  const token = await readToken(positionals, sources)
  const read = (argument: string | undefined) =>
    argument === undefined ? undefined : readTokenFrom(argument, sources)
  return { token, tokenFor: await read(given.for), via: await read(given.via) }
}

interface Asked extends Request {
  readonly token: string
  readonly tokenFor: string | undefined
  readonly via: string | undefined
  readonly certificates: ReadonlyMap<string, readonly string[]>
  readonly nowMs: number
  readonly isNow: boolean
}

async function judge(asked: Asked, mesh: Mesh, plan: KeyPlan): Promise<Verdict> {
  const { material, faults } = await readTrustMaterial(mesh)
  if (material === undefined)
    throw new ConfigurationLines(faults.map(({ file, message }) => `${file}: ${message}`))
  const keyRing = new KeyRing(plan, material.caByIssuer, asked.nowMs)
  try {
    // What was given by hand is read even where it turns out not to be needed: it may be the wrong file.
    for (const issuer of plan.given) await keyRing.load(issuer)
    const question = { ...asked, mesh: { ...mesh, issuers: plan.issuers }, material, keyRing }
    return makeVerdict(question, await askSidecar(question))
  } finally {
    await keyRing.close()
  }
}
