// What all contenders stand on: the upstream behind them, the issuer in front of them, a folder, and their processes.
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { freePorts } from '../../deploy/demo/ports.ts'
import { generateSigningKey, type SigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { nginxCommand } from './contenders/nginx-command.ts'
import { cores, type Processes } from './processes.ts'

export interface Bed {
  readonly processes: Processes
  readonly folder: string
  /** Answers 60 bytes of JSON, and at `/whoami` the identity header that it got. */
  readonly upstreamPort: number
  /** Onbehalf as it was built when the run began: a build meanwhile changes nothing. */
  readonly program: string
  /** Signs the assertions. */
  readonly key: SigningKey
  /** Its public half for HAProxy, in PEM. */
  readonly publicKeyFile: string
  /** The same for Onbehalf, as a key set. */
  readonly jwksFile: string
}

/** The header that each verifying contender sets from a claim. */
export const identityHeader = 'x-pomerium-authenticated-user-email'

/** What `make build` makes. */
export const builtProgram = path.resolve(import.meta.dirname, '../../dist/onbehalf.cjs')

const answer = '{"service":"upstream","status":"ok","items":[1,2,3,4,5,6,7]}'

export async function makeBed(processes: Processes, folder: string): Promise<Bed> {
  const key = await generateSigningKey('ES256')
  const publicKeyFile = path.join(folder, 'issuer.pem')
  const jwksFile = path.join(folder, 'jwks.json')
  await writeFile(publicKeyFile, key.publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(jwksFile, JSON.stringify({ keys: [key.jwk] }))
  const program = path.join(folder, 'onbehalf.cjs')
  await copyFile(builtProgram, program)
  const upstreamPort = await startUpstream(processes, folder)
  return { processes, folder, program, upstreamPort, key, publicKeyFile, jwksFile }
}

async function startUpstream(processes: Processes, folder: string): Promise<number> {
  const port = await freePort()
  const server = `
    server {
      listen 127.0.0.1:${port};
      location / { default_type application/json; return 200 '${answer}'; }
      location = /whoami { return 200 "$http_${identityHeader.replaceAll('-', '_')}"; }
    }`
  const command = await nginxCommand(await ownFolder(folder, 'upstream'), server)
  await processes.start('upstream', cores.load, command).until(() => isListening(port))
  return port
}

/** A folder of its own for each process. */
export function ownFolder(folder: string, name: string): Promise<string> {
  return mkdtemp(path.join(folder, `${name}-`))
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
