// `onbehalf revoke`: refuses a session, a subject, a token or a key from now on: through the store, at every sidecar; or,
// without one, at the running sidecar that is asked.
import type { Mesh, RedisSettings } from '../../shared/config/mesh.ts'
import { makeEntry, type RevocationEntry } from '../../shared/revocation.ts'
import type { RevokeAnswer } from '../admin/revoke.ts'
import { describeMeshOptions } from '../mesh-file.ts'
import { AdminFault, askAdmin } from './admin-client.ts'
import { formatRevocationLife } from '../revocation-life.ts'
import { exitStatus, type Io } from './io.ts'
import { readMeshToRevoke, readRevokeArguments, withIssuer, type RevokeQuestion } from './revoke-arguments.ts'
import { shareRevocation, StoreFault } from './revoke-store.ts'
import { runCommand, UsageFault } from './token-input.ts'
import { count, isoTime } from './token-words.ts'

const usage = `Usage: onbehalf revoke --session SID|--subject SUB|--jti JTI [--issuer NAME] [--for DURATION]
       onbehalf revoke --kid KID

With a Redis in the mesh file, every sidecar on it refuses within moments, and ends what it had open. With
store: memory, only the running sidecar of --service does. Nothing takes a revocation back before its time.

  --session SID       Every assertion of this session (sid).
  --subject SUB       Every assertion of this subject (sub) that was issued until now. New ones are accepted.
  --jti JTI           This one assertion.
  --kid KID           Whatever this key signed, for ever: an issuer's key, or a service account's certificate.
  --issuer NAME       Whose session, subject or token: the name of its entry under issuers, or mesh. Default: the only
                      issuer there is.
  --for DURATION      For so long, such as 12h, 90d or forever. Default: 30d. A token that lives longer is good again after.
  --redis-user NAME            Default: store.redis.revoker, or else store.redis.username.
  --redis-password-file FILE   Default: that of the same.
  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Options of the mesh (and the variables that stand for them):
${describeMeshOptions()}
Example: a laptop is lost
  onbehalf revoke --subject alice@example.com --config mesh.yaml

Exit status: 0 revoked, 1 the store or the sidecar does not answer or does not permit it, 2 wrong use or configuration.
`

export function revoke(args: string[], io: Io): Promise<number> {
  return runCommand('revoke', { usage, run: () => run(args, io) }, args, io, () => process.stdin)
}

async function run(args: string[], io: Io): Promise<number> {
  const given = readRevokeArguments(args, io.cwd)
  const mesh = await readMeshToRevoke(given, io)
  const asked = { ...given, revocation: withIssuer(given.revocation, mesh) }
  try {
    const done = await (mesh.store.kind === 'redis'
      ? byStore(asked, mesh.store)
      : byAdmin(asked, mesh, io.env))
    io.stdout.write(asked.json ? `${JSON.stringify(done, undefined, 2)}\n` : `${done.message}\n`)
    if (done.warning !== undefined) io.stderr.write(`onbehalf revoke: ${done.warning}\n`)
    return exitStatus.done
  } catch (error) {
    if (!(error instanceof AdminFault) && !(error instanceof StoreFault)) throw error
    io.stderr.write(`onbehalf revoke: NOT revoked: ${error.message}\n`)
    return exitStatus.no
  }
}

/** What was done; the keys are those of `-o json`. */
interface Done {
  readonly message: string
  readonly kind: string
  readonly issuer?: string
  readonly value: string
  readonly reach: RevokeAnswer['reach']
  /** How many sidecars heard it at once. */
  readonly listening?: number
  readonly revoked_at: string
  /** Missing: for ever. */
  readonly until?: string
  readonly warning?: string
}

async function byStore(asked: RevokeQuestion, settings: RedisSettings): Promise<Done> {
  const entry = makeEntry(asked.revocation, asked.forSeconds, Date.now())
  const user = { ...(settings.revoker ?? settings.user), ...asked.redisUser }
  const listening = await shareRevocation(settings, user, entry)
  const message = `revoked: ${whats[asked.revocation.kind]}, ${untilWords(entry)}. ${count(listening, 'sidecar')} heard it; others find it when they next read all, within seconds.`
  const warning =
    listening > 0
      ? undefined
      : `no sidecar listens on this store. Is its prefix (${settings.prefix}) that of the running ones?`
  return { message, ...described(asked, entry), reach: 'shared', listening, ...(warning && { warning }) }
}

async function byAdmin(asked: RevokeQuestion, mesh: Mesh, env: NodeJS.ProcessEnv): Promise<Done> {
  if (asked.redisUser !== undefined) {
    throw new UsageFault(
      '--redis-user and --redis-password-file: the mesh file names no Redis (store: memory)',
    )
  }
  const { revocation, forSeconds } = asked
  const body = JSON.stringify({ ...revocation, for: formatRevocationLife(forSeconds) })
  const { message, reach } = (await askAdmin(mesh, env, '/revoke', body)) as RevokeAnswer
  const warning = `only the sidecar of ${mesh.service} knows of it, while it runs (store: memory)`
  return { message, ...described(asked, makeEntry(revocation, forSeconds, Date.now())), reach, warning }
}

function described({ revocation }: RevokeQuestion, entry: RevocationEntry) {
  const { forgetAtSeconds, revokedAtSeconds } = entry
  return {
    ...revocation,
    revoked_at: isoTime(revokedAtSeconds),
    ...(forgetAtSeconds === Infinity ? {} : { until: isoTime(forgetAtSeconds) }),
  }
}

const whats: Readonly<Record<RevokeQuestion['revocation']['kind'], string>> = {
  session: 'every assertion of this session',
  subject: 'every assertion of this subject that was issued until now',
  jti: 'this assertion',
  kid: 'whatever this key signed',
}

function untilWords({ forgetAtSeconds }: RevocationEntry): string {
  return forgetAtSeconds === Infinity ? 'for ever' : `until ${isoTime(forgetAtSeconds)}`
}
