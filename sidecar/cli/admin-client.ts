// Asks a running sidecar by its admin listener, as the command line does.
import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Mesh } from '../../shared/config/mesh.ts'
import { defaultAdminTokenFile } from '../admin/token.ts'

const deadlineMs = 5_000

/** There is no answer: the message says why, and what to look at. */
export class AdminFault extends Error {
  override readonly name = 'AdminFault'
}

/**
 * What `GET target` answers, as JSON; with a body, what `POST target` does.
 * @throws {AdminFault} no sidecar of this service answers there, or it does not answer to this user.
 */
export async function askAdmin(
  mesh: Mesh,
  env: NodeJS.ProcessEnv,
  target: string,
  body?: string,
): Promise<unknown> {
  const address = mesh.listen.admin[0]
  if (address === undefined) throw new AdminFault('the sidecar has no admin listener (listen.admin)')
  const token = await readToken(mesh.adminTokenFile ?? defaultAdminTokenFile(mesh.service, env))
  const where = `${address.host}:${address.port}`
  const request = httpRequest({
    host: address.host,
    port: address.port,
    path: target,
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}` },
    agent: false,
    signal: AbortSignal.timeout(deadlineMs),
  }).end(body)
  let answer: { status: number | undefined; body: string }
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    answer = { status: response.statusCode, body: await text(response) }
  } catch (error) {
    throw new AdminFault(`no sidecar answers at ${where}: ${(error as Error).message}`)
  }
  if (answer.status === 401) {
    throw new AdminFault(`the sidecar at ${where} has another admin token: is it another service's?`)
  }
  if (answer.status !== 200 && answer.status !== 202)
    throw new AdminFault(`the sidecar at ${where} answers ${answer.status}`)
  try {
    return JSON.parse(answer.body)
  } catch {
    throw new AdminFault(`what answers at ${where} is no sidecar`)
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new AdminFault(
      `the admin token cannot be read from ${file} (${code}): is the sidecar running, and as this user?`,
    )
  }
}
