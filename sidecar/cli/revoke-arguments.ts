// What `onbehalf revoke` is asked, and on which mesh.
import { resolve } from 'node:path'
import { formatProblem } from '../../shared/config/problem.ts'
import type { Mesh, RedisUser } from '../../shared/config/mesh.ts'
import { didYouMean } from '../../shared/config/suggest.ts'
import { defaultRevocationSeconds, type Revocation, type RevocationKind } from '../../shared/revocation.ts'
import { meshOptions, readMesh, type MeshQuestion } from '../mesh-file.ts'
import { parseRevocationLife } from '../revocation-life.ts'
import type { Io } from './io.ts'
import { ConfigurationLines, isJson, parse, UsageFault } from './token-input.ts'

export interface RevokeQuestion {
  /** Its issuer is empty where the only one of the mesh is meant. */
  readonly revocation: Revocation
  readonly forSeconds: number
  readonly json: boolean
  readonly flags: MeshQuestion['flags']
  /** What of the credential was given by flags. */
  readonly redisUser: RedisUser | undefined
}

const kinds = ['session', 'subject', 'jti', 'kid'] as const satisfies readonly RevocationKind[]

/** @throws {UsageFault} */
export function readRevokeArguments(args: string[], cwd: string): RevokeQuestion {
  const { values, positionals } = parse(args, {
    ...meshOptions,
    session: { type: 'string' },
    subject: { type: 'string' },
    jti: { type: 'string' },
    kid: { type: 'string' },
    issuer: { type: 'string' },
    for: { type: 'string' },
    'redis-user': { type: 'string' },
    'redis-password-file': { type: 'string' },
    output: { type: 'string', short: 'o' },
  })
  if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
  const given = kinds.filter((kind) => values[kind] !== undefined)
  const [kind] = given
  if (kind === undefined || given.length > 1) {
    throw new UsageFault('say what is revoked: one of --session, --subject, --jti and --kid')
  }
  const value = values[kind] as string
  if (value === '') throw new UsageFault(`--${kind}: is empty`)
  if (kind === 'kid' && values.issuer !== undefined) {
    throw new UsageFault('--issuer: a key is revoked for whoever signs with it')
  }
  return {
    revocation: kind === 'kid' ? { kind, value } : { kind, issuer: values.issuer ?? '', value },
    forSeconds: readLife(kind, values.for),
    json: isJson(values.output),
    flags: values,
    redisUser: readUser(values['redis-user'], values['redis-password-file'], cwd),
  }
}

function readLife(kind: RevocationKind, given: string | undefined): number {
  if (kind === 'kid' && given !== undefined && given !== 'forever') {
    throw new UsageFault('--for: a key is revoked for ever')
  }
  if (kind === 'kid') return Infinity
  if (given === undefined) return defaultRevocationSeconds
  const seconds = parseRevocationLife(given)
  if (seconds === undefined) throw new UsageFault(`--for: "${given}" is no time such as 12h, 90d or forever`)
  return seconds
}

function readUser(
  username: string | undefined,
  passwordFile: string | undefined,
  cwd: string,
): RedisUser | undefined {
  if (username === undefined && passwordFile === undefined) return undefined
  return {
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(cwd, passwordFile) }),
  }
}

/**
 * The mesh that is meant. Where no service is named, any that is on a Redis will do.
 * @throws {ConfigurationLines}
 */
export async function readMeshToRevoke({ flags }: RevokeQuestion, { env, cwd }: Io): Promise<Mesh> {
  const question: MeshQuestion = { flags, env, cwd, files: 'trust' }
  const answer = await readMesh(question)
  if (answer.mesh !== undefined) return answer.mesh
  const isNamed = flags['service'] !== undefined || (env['ONBEHALF_SERVICE'] ?? '') !== ''
  if (!isNamed) {
    for (const service of answer.services) {
      const { mesh } = await readMesh({ ...question, flags: { ...flags, service } })
      if (mesh?.store.kind === 'redis') return mesh
    }
  }
  const errors = answer.problems.filter(({ severity }) => severity === 'error')
  throw new ConfigurationLines(errors.map(formatProblem))
}

/** @throws {UsageFault} the mesh has no such issuer, or several and none is named. */
export function withIssuer(revocation: Revocation, mesh: Mesh): Revocation {
  if (revocation.kind === 'kid') return revocation
  const { issuer } = revocation
  const names = [...mesh.issuers, ...mesh.trustDomains].map(({ name }) => name)
  const [only, ...others] = mesh.issuers
  if (issuer === '') {
    if (only === undefined || others.length > 0) {
      throw new UsageFault(`say whose, by --issuer; the issuers are ${names.join(', ')}`)
    }
    return { ...revocation, issuer: only.name }
  }
  if (names.includes(issuer)) return revocation
  throw new UsageFault(
    `--issuer: there is no issuer "${issuer}"${didYouMean(issuer, names)}; the issuers are ${names.join(', ')}`,
  )
}
