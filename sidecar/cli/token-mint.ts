// `onbehalf token mint`: the assertion that a service's sidecar would attach, for a call made by hand.
import { readClaims } from '../../shared/assertion/claims.ts'
import { parseJws } from '../../shared/assertion/jws.ts'
import type { Mesh, Route } from '../../shared/config/mesh.ts'
import { didYouMean } from '../../shared/config/suggest.ts'
import { Refusal } from '../../shared/errors.ts'
import { readMaterial } from '../material.ts'
import { meshOptions } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import {
  ConfigurationLines,
  isJson,
  parse,
  readSoundMesh,
  UsageFault,
  type TokenCommand,
} from './token-input.ts'
import { isoTime } from './token-words.ts'

const usage = `Usage: onbehalf token mint [--config FILE] [--service NAME] --route NAME|--audience HOST [-o json]

Mints, with the service's own certificate and key, the assertion that its sidecar would attach to a call of
this route, and prints it alone. It is a secret: for 60 s, whoever holds it can call as this service.

Options:
  --config FILE       The mesh file. Default: onbehalf.yaml in the current folder. (ONBEHALF_CONFIG)
  --service NAME      The service that calls. (ONBEHALF_SERVICE)
  --route NAME        The route that is called.
  --audience HOST     Or the host of its from.
  -o, --output json   JSON alone on standard output: token, expires_at, account, audience, header.
  -h, --help          This text.

Example: call API as App's sidecar would
  curl -H "X-Pomerium-Jwt-Assertion: $(onbehalf token mint --config mesh.yaml --service App --route API)" \\
    http://127.0.0.1:15106/

Exit status: 0 minted; 2 wrong use or configuration.
`

const { config, service } = meshOptions

export const mint: TokenCommand = {
  usage,
  async run(args, io) {
    const { values, positionals } = parse(args, {
      config,
      service,
      route: { type: 'string' },
      audience: { type: 'string' },
      output: { type: 'string', short: 'o' },
    })
    const json = isJson(values.output)
    if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
    const mesh = await readSoundMesh({ config: values.config, service: values.service }, io, 'all')
    const route = findRoute(mesh, values.route, values.audience)
    const minted = await mintFor(route, mesh)
    warnOf(route, mesh, io)
    io.stdout.write(json ? `${JSON.stringify(minted, null, 2)}\n` : `${minted.token}\n`)
    return exitStatus.done
  },
}

function findRoute(mesh: Mesh, name: string | undefined, audience: string | undefined): Route {
  if ((name === undefined) === (audience === undefined)) {
    throw new UsageFault(
      `say which route is called, by --route or by --audience; the routes are ${routesOf(mesh)}`,
    )
  }
  if (name !== undefined) return routeByName(mesh, name)
  return routeByHost(mesh, audience as string)
}

function routesOf({ routes }: Mesh): string {
  return routes.map((route) => `${route.name} (${route.host})`).join(', ')
}

function routeByName(mesh: Mesh, name: string): Route {
  const route = mesh.routes.find((each) => each.name === name)
  if (route !== undefined) return route
  const names = mesh.routes.map((each) => each.name)
  const hint = didYouMean(name, names) || `; the routes are ${routesOf(mesh)}`
  throw new UsageFault(`there is no route "${name}"${hint}`)
}

/** Of several routes of a host, one to which a minted assertion goes: it is the same for all of them. */
function routeByHost(mesh: Mesh, host: string): Route {
  const routes = mesh.routes.filter((each) => each.host === host)
  const route = routes.find(({ via }) => via === 'mesh') ?? routes[0]
  if (route !== undefined) return route
  const alias = mesh.routes.find(({ aliases }) => aliases.includes(host))
  if (alias !== undefined) {
    throw new UsageFault(
      `"${host}" is an alias of route ${alias.name}; its assertions are for the host of from: --audience ${alias.host}`,
    )
  }
  const hosts = mesh.routes.map((each) => each.host)
  const hint = didYouMean(host, hosts) || `; the routes are ${routesOf(mesh)}`
  throw new UsageFault(`no route has the host "${host}"${hint}`)
}

interface Minted {
  readonly token: string
  /** ISO 8601. */
  readonly expires_at: string
  readonly account: string
  readonly audience: string
  readonly header: string
}

async function mintFor(route: Route, mesh: Mesh): Promise<Minted> {
  if (route.via === 'pomerium') {
    throw new UsageFault(
      `route ${route.name} is called by way of a Pomerium (via: pomerium): nothing is minted for it, its sidecar sends the token of credential.token_file, and Pomerium signs the assertion`,
    )
  }
  const { material, faults } = await readMaterial(mesh, Date.now)
  if (material === undefined)
    throw new ConfigurationLines(faults.map(({ file, message }) => `${file}: ${message}`))
  if (material.credential.minter === undefined) throw new UsageFault(whyNothingToMint(mesh))
  try {
    const [header, token] = material.credential.headersFor(route)
    const { subject, audience, expiresAt } = readClaims(parseJws(token).payload)
    return { token, expires_at: isoTime(expiresAt), account: subject, audience, header }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new ConfigurationLines([`${mesh.service}: ${error.message}`])
  }
}

function whyNothingToMint({ service: name, credential, trustDomains }: Mesh): string {
  const hasMesh = trustDomains.some((domain) => domain.name === 'mesh')
  const missing = [
    ...(hasMesh ? [] : ['mesh.issuer and mesh.ca']),
    ...(credential.certificateFile === undefined ? [`services.${name}.credential.certificate`] : []),
    ...(credential.keyFile === undefined ? [`services.${name}.credential.key`] : []),
  ]
  return `service ${name} has no certificate to mint with: the mesh file gives no ${missing.join(' and no ')}`
}

/** What the sidecar would hold against the call itself. */
function warnOf(route: Route, mesh: Mesh, io: Io): void {
  const warn = (words: string) => io.stderr.write(`onbehalf token mint: warning: ${words}\n`)
  if (!mesh.calls.has(route.name)) {
    warn(`${mesh.service}'s own sidecar would refuse this call: route ${route.name} is not in its calls`)
  }
  if (route.originalUser === 'required' || route.originalUser === 'explicit') {
    warn(
      `route ${route.name} is called on behalf of a user only: send X-Pomerium-Jwt-Assertion-For beside it`,
    )
  }
}
