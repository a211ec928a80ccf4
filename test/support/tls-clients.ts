// Clients that show certificates: curl and openssl s_client, of other makes than the sidecar's TLS.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { environment, missingProgram, run } from '../clients/child.ts'
import type { Certified } from '../../sidecar/ca.ts'

/** Files with a certificate and its key. */
export interface ShownFiles {
  readonly cert: string
  readonly key: string
}

export interface AskedInTls {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly shown?: ShownFiles | undefined
}

export interface TlsAnswer {
  readonly status: number
  /** `x-onbehalf-error`, or empty. */
  readonly code: string
}

export type TlsClient = (asked: AskedInTls) => Promise<TlsAnswer>

export async function writeCertified(
  folder: string,
  name: string,
  certified: Certified,
): Promise<ShownFiles> {
  const files = { cert: join(folder, `${name}.shown.pem`), key: join(folder, `${name}.shown-key.pem`) }
  await writeFile(files.cert, certified.certificatePem)
  await writeFile(files.key, certified.keyPem)
  return files
}

/** Whose the certificate of the sidecar is, is another test's business: it has no host's name. */
const curl: TlsClient = async ({ port, headers, shown }) => {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const certificate = shown === undefined ? [] : ['--cert', shown.cert, '--key', shown.key]
  const report = ['-o', '/dev/null', '-w', '%{http_code} %header{x-onbehalf-error}']
  const args = ['-sS', '--insecure', ...certificate, ...fields, ...report, `https://127.0.0.1:${port}/`]
  const { stdout, stderr } = await run('curl', args, environment({}))
  const [, status, code] = /^(\d+) (\S*)$/.exec(stdout.toString()) ?? []
  if (status === undefined || status === '000') throw new Error(`curl: ${stderr}`)
  return { status: Number(status), code: code ?? '' }
}

const openssl: TlsClient = async ({ port, headers, shown }) => {
  const certificate = shown === undefined ? [] : ['-cert', shown.cert, '-key', shown.key]
  const args = ['s_client', '-quiet', '-ign_eof', '-connect', `127.0.0.1:${port}`, ...certificate]
  const client = spawn('openssl', args, { env: environment({}), stdio: ['pipe', 'pipe', 'pipe'] })
  const fields = Object.entries({ host: 'test.invalid', connection: 'close', ...headers })
  client.stdin.write(`GET / HTTP/1.1\r\n${fields.map((field) => field.join(': ')).join('\r\n')}\r\n\r\n`)
  const [answer, words] = await Promise.all([text(client.stdout), text(client.stderr), once(client, 'close')])
  const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]
  if (status === undefined) throw new Error(`openssl: ${words}`)
  return { status: Number(status), code: /^x-onbehalf-error: (\S+)/im.exec(answer)?.[1] ?? '' }
}

export const tlsClients: Readonly<Record<string, TlsClient>> = { curl, 'openssl s_client': openssl }

/** Why they cannot run here. */
export const missingTlsClient = missingProgram('curl') ?? missingProgram('openssl') ?? false
