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
  /**
   * Answers 60 bytes of JSON; at `/whoami` the identity header that it got, at `/chain` the accounts passed, at
   * `/handle` the handle; at `/1k`, `/64k` and `/1m` as many bytes; at `/read` after the whole body is there.
   */
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
const builtTelemetry = path.resolve(import.meta.dirname, '../../dist/opentelemetry.cjs')

const answer = '{"service":"upstream","status":"ok","items":[1,2,3,4,5,6,7]}'

export async function makeBed(processes: Processes, folder: string): Promise<Bed> {
  const key = await generateSigningKey('ES256')
  const publicKeyFile = path.join(folder, 'issuer.pem')
  const jwksFile = path.join(folder, 'jwks.json')
  await writeFile(publicKeyFile, key.publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(jwksFile, JSON.stringify({ keys: [key.jwk] }))
  const program = path.join(folder, 'onbehalf.cjs')
  await copyFile(builtProgram, program)
  await copyFile(builtTelemetry, path.join(folder, path.basename(builtTelemetry)))
  const upstreamPort = await startUpstream(processes, folder)
  return { processes, folder, program, upstreamPort, key, publicKeyFile, jwksFile }
}

async function startUpstream(processes: Processes, parent: string): Promise<number> {
  const port = await freePort()
  const folder = await ownFolder(parent, 'upstream')
  await writeFile(path.join(folder, '64k'), Buffer.alloc(64 * 1024, 'x'))
  await writeFile(path.join(folder, '1m'), Buffer.alloc(1024 * 1024, 'x'))
  const command = await nginxCommand(folder, upstreamServer(port, folder))
  await processes.start('upstream', cores.load, command).until(() => isListening(port))
  return port
}

/** nginx reads a whole body before it answers only where something is to be done with it, as mirroring it. */
function upstreamServer(port: number, folder: string): string {
  return `
    server {
      listen 127.0.0.1:${port};
      root ${folder};
      client_max_body_size 0;
      client_body_buffer_size 2m;
      location / { default_type application/json; return 200 '${answer}'; }
      location = /whoami { return 200 "$http_${identityHeader.replaceAll('-', '_')}"; }
      location = /chain { return 200 "$http_x_onbehalf_chain"; }
      location = /handle { return 200 "$http_x_onbehalf_handle"; }
      location = /1k { return 200 '${'x'.repeat(1024)}'; }
      location = /64k { }
      location = /1m { }
      location = /read { mirror /read-it; error_page 404 405 =200 @read; }
      location = /read-it { internal; return 204; }
      location @read { return 200 '${answer}'; }
    }`
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
