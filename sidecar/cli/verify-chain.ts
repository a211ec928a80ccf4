// `onbehalf verify-chain`: whether captured headers show how a user's request came to a service, and by which way.
import type { Mesh } from '../../shared/config/mesh.ts'
import { serviceAt } from '../../shared/evidence/rules.ts'
import { readTrustMaterial } from '../material.ts'
import { meshOptions, readMesh } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import {
  ConfigurationLines,
  isJson,
  parse,
  parseTime,
  readFileHere,
  readInput,
  readSoundMesh,
  runCommand,
  UsageFault,
  type OpenInput,
  type TokenCommand,
  type TokenSources,
} from './token-input.ts'
import { KeyRing, planKeys } from './token-keys.ts'
import { escapeTreacherous } from './token-words.ts'
import { readCertificates } from './certificates-option.ts'
import { readHeaders } from './verify-chain-input.ts'
import { judgeChain, readLinks, timeOf } from './verify-chain-judge.ts'
import { formatChain, type ChainReport } from './verify-chain-report.ts'

const usage = `Usage: onbehalf verify-chain [--config FILE] [--service NAME] [HEADERS] [options]

Checks the evidence in the headers of a captured request, by the rules of the sidecar that got it: that each hop was
signed by its service, for this user's token, one after the other, from the entry to here. Prints the way, or which
link is wrong and why. Revocations, which only a running sidecar knows, are not consulted.

  HEADERS             Lines of "Name: value", as curl -v shows them too, with x-onbehalf-via and
                      X-Pomerium-Jwt-Assertion-For; X-Pomerium-Jwt-Assertion says who was calling.
                      FILE or @FILE reads them from a file, - or nothing from standard input.

Options:
  --config FILE       The mesh file. Default: onbehalf.yaml in the current folder. (ONBEHALF_CONFIG)
  --service NAME      The service that got the request. Default: whose route the last link names. (ONBEHALF_SERVICE)
  --certificates FILE PEM of the accounts' certificates, for links without x5c; may be given several times.
  --at TIME           As of when; default: when the last link was signed.
  --keys live|FILE    Where the issuers' keys come from: fetched as the sidecar does (the default), or a
                      JWKS in a file; with several issuers NAME=FILE, once for each.
  --offline           Fetch nothing: keys come from files only.
  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Example:
  onbehalf verify-chain --config mesh.yaml --keys jwks.json --offline request-headers.txt

Exit status: 0 verified; 1 refused; 2 wrong use or configuration, or it cannot be told now (no keys).
`

/** Runs the command. @param openInput standard input, unless a test has something else to read. @returns its exit status. */
export function verifyChain(
  args: string[],
  io: Io,
  openInput: OpenInput = () => process.stdin,
): Promise<number> {
  return runCommand('verify-chain', command, args, io, openInput)
}

const { config, service } = meshOptions
const command: TokenCommand = {
  usage,
  async run(args, io, openInput) {
    const { values, positionals } = parse(args, {
      config,
      service,
      certificates: { type: 'string', multiple: true, default: [] },
      at: { type: 'string' },
      keys: { type: 'string', multiple: true, default: [] },
      offline: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o' },
    })
    const json = isJson(values.output)
    const headers = readHeaders(await readText(positionals, { io, openInput }))
    const mesh = await readMeshFor(headers.via, values, io)
    const plan = planKeys(mesh, values.keys, values.offline, io.cwd)
    const { material, faults } = await readTrustMaterial(mesh)
    if (material === undefined)
      throw new ConfigurationLines(faults.map(({ file, message }) => `${file}: ${message}`))
    const certificates = await readCertificates(values.certificates, io)
    const at = values.at === undefined ? undefined : parseTime(values.at)
    const keyRing = new KeyRing(plan, material.caByIssuer, at ?? timeOf(headers.via))
    try {
      for (const issuer of plan.given) await keyRing.load(issuer)
      const question = {
        headers,
        mesh: { ...mesh, issuers: plan.issuers },
        material,
        certificates,
        keyRing,
        at,
      }
      const report = await judgeChain(question)
      io.stdout.write(escapeTreacherous(json ? `${JSON.stringify(report, null, 2)}\n` : formatChain(report)))
      return statusOf[report.answer]
    } finally {
      await keyRing.close()
    }
  },
}

const statusOf: Record<ChainReport['answer'], number> = {
  verified: exitStatus.done,
  refused: exitStatus.no,
  cannot_tell: exitStatus.wrong,
}

async function readText(positionals: readonly string[], sources: TokenSources): Promise<string> {
  const [argument = '-', ...others] = positionals
  if (others.length > 0) throw new UsageFault('one request at a time')
  if (argument === '-') return readInput(sources, 'headers')
  return readFileHere(argument.replace(/^@/, ''), sources.io)
}

/** The mesh as the service sees it that the last link leads to, unless another one is named. */
async function readMeshFor(
  via: string,
  flags: { readonly config?: string | undefined; readonly service?: string | undefined },
  io: Io,
): Promise<Mesh> {
  const { services, mesh } = await readMesh({ flags, env: io.env, cwd: io.cwd, files: 'trust' })
  if (mesh !== undefined) return mesh
  const given = flags.service ?? io.env['ONBEHALF_SERVICE'] ?? ''
  const [first] = services
  if (given !== '' || first === undefined) return readSoundMesh(flags, io, 'trust')
  const any = await readSoundMesh({ ...flags, service: first }, io, 'trust')
  const last = readLinks(via).at(-1)
  const called = last === undefined ? undefined : serviceAt(last.audience, any)
  if (called === undefined) {
    throw new UsageFault('the last link names no host of the mesh file: say by --service who got the request')
  }
  return readSoundMesh({ ...flags, service: called }, io, 'trust')
}
