// One inspector page for all sidecars of the demo: their events put together, what is asked passed on to the one that it is about.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { denyForeign } from '../../sidecar/admin/guard.ts'
import { pageFiles } from '../../sidecar/admin/page-files.ts'
import { pageHeaders, securityHeaders } from '../../sidecar/admin/security-headers.ts'
import type { Service } from './topology.ts'

export interface Observatory {
  /** With the token behind `#`. */
  readonly address: string
  close(): void
}

export async function openObservatory(services: readonly Service[]): Promise<Observatory> {
  const token = randomBytes(32).toString('base64url')
  const server = createServer((request, response) => {
    const denial = denyForeign(request) ?? denyStranger(request, token)
    if (denial === undefined) {
      answer(request, response, services).catch(() => response.destroy())
      return
    }
    response.writeHead(denial.status, securityHeaders).end(JSON.stringify({ message: denial.message }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/#token=${token}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function denyStranger({ headers, url = '' }: IncomingMessage, token: string) {
  if (Object.hasOwn(pageFiles(), url) || headers.authorization === `Bearer ${token}`) return undefined
  return { status: 401, message: 'Open the address that the demo printed.' }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  services: readonly Service[],
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
  const files = pageFiles()
  const file = Object.hasOwn(files, pathname) ? files[pathname] : undefined
  if (file !== undefined) {
    response.writeHead(200, { ...pageHeaders, 'content-type': file.type }).end(file.text)
  } else if (pathname === '/events') {
    response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream; charset=utf-8' })
    const leaving = new AbortController()
    response.once('close', () => leaving.abort())
    await Promise.all(services.map((service) => passEvents(service, response, leaving.signal)))
    response.end()
  } else if (pathname === '/config') {
    await passAnswer(response, ask(named(services, searchParams.get('service')), '/config'))
  } else if (pathname === '/token' && request.method === 'POST') {
    const asked = (await json(request)) as { service?: string }
    const init = { method: 'POST', body: JSON.stringify(asked) }
    await passAnswer(response, ask(named(services, asked.service), '/token', init))
  } else {
    response.writeHead(404, securityHeaders).end()
  }
}

function named(services: readonly Service[], name: string | null | undefined): Service {
  const service = services.find((each) => each.name === name) ?? services[0]
  if (service === undefined) throw new Error('there is no service')
  return service
}

async function ask({ adminPort, adminTokenFile }: Service, path: string, init: RequestInit = {}) {
  const authorization = `Bearer ${(await readFile(adminTokenFile, 'utf8')).trim()}`
  return fetch(`http://127.0.0.1:${adminPort}${path}`, { ...init, headers: { authorization } })
}

async function passAnswer(response: ServerResponse, asked: ReturnType<typeof ask>): Promise<void> {
  const answered = await asked
  const type = answered.headers.get('content-type') ?? 'text/plain'
  response.writeHead(answered.status, { ...securityHeaders, 'content-type': type }).end(await answered.text())
}

/** Whole events alone, for those of several sidecars come between each other. Ends with its sidecar. */
async function passEvents(service: Service, response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    const { body } = await ask(service, '/events', { signal })
    let rest = ''
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const events = `${rest}${chunk}`.split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) response.write(`${event}\n\n`)
    }
  } catch {
    // The sidecar has ended, or the page was closed; the page connects again.
  }
}
