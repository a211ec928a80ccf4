// The admin listener: what this sidecar is doing, and the few things that it can be told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Decision } from '../../shared/decision.ts'
import type { LogLevel } from '../../shared/config/mesh.ts'
import { asLine, isLogLevel } from '../telemetry/log.ts'
import { boundConnections, requestTimeouts } from './connections.ts'
import { EventStreams, type EventSource } from './events.ts'
import { denyForeign, denyWithoutToken } from './guard.ts'
import type { AskedToken, Judgement } from './judge.ts'
import { pageFiles } from './page-files.ts'
import { answerRevoke, type RevokeSubject } from './revoke.ts'
import { pageHeaders, securityHeaders } from './security-headers.ts'
import type { TokenCheck } from './token.ts'

/** What the sidecar shows and takes here; nothing of it holds a secret. */
export interface AdminSubject extends RevokeSubject {
  config(): unknown
  keys(): unknown
  keySet(): unknown
  sessions(): unknown
  /** The last decisions, newest first; those about a request or a trace, where an id is given. */
  decisions(id?: string): readonly Decision[]
  drain(): void
  shutdown(): void
  setLogLevel(level: LogLevel): void
  /** What would be answered to a token. */
  judge(asked: AskedToken): Judgement
  readonly events: EventSource
}

interface Asked {
  readonly body: string
  readonly query: URLSearchParams
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Answers by itself. */
type Stream = (response: ServerResponse) => void

interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly needsToken: boolean
  answer(subject: AdminSubject, asked: Asked): Answer | Promise<Answer>
}

/** Two tokens, each as large as any listener takes one. */
const maxBodyBytes = 128 * 1024
const ok = (body: unknown): Answer => ({ status: 200, body })
const eventsPath = '/events'

const endpoints: Readonly<Record<string, Endpoint>> = {
  '/config': { method: 'GET', needsToken: false, answer: (subject) => ok(subject.config()) },
  '/keys': { method: 'GET', needsToken: false, answer: (subject) => ok(subject.keys()) },
  '/sessions': { method: 'GET', needsToken: false, answer: (subject) => ok(subject.sessions()) },
  '/.well-known/pomerium/jwks.json': {
    method: 'GET',
    needsToken: false,
    answer: (subject) => ok(subject.keySet()),
  },
  // Answered as a stream.
  [eventsPath]: { method: 'GET', needsToken: true, answer: () => ok(undefined) },
  '/decisions': { method: 'GET', needsToken: true, answer: showDecisions },
  '/drain': { method: 'POST', needsToken: true, answer: (subject) => done(() => subject.drain()) },
  '/shutdown': { method: 'POST', needsToken: true, answer: (subject) => done(() => subject.shutdown()) },
  '/log-level': { method: 'PUT', needsToken: true, answer: setLogLevel },
  '/token': { method: 'POST', needsToken: true, answer: judge },
  '/revoke': { method: 'POST', needsToken: true, answer: (subject, { body }) => answerRevoke(subject, body) },
}

export function createAdmin(subject: AdminSubject, token: TokenCheck): Server {
  const options = { insecureHTTPParser: false, maxHeaderSize: 16 * 1024, ...requestTimeouts }
  const server = createServer(options, (request, response) => {
    respond(request, subject, token, streams).then(
      (answer) => (typeof answer === 'function' ? answer(response) : send(response, answer)),
      () => response.destroy(),
    )
  })
  const streams = new EventStreams(subject.events, boundConnections(server))
  return server
}

async function respond(
  request: IncomingMessage,
  subject: AdminSubject,
  token: TokenCheck,
  streams: EventStreams,
): Promise<Answer | Stream> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2)
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined
  const foreign = denyForeign(request)
  if (foreign !== undefined) return fault(foreign.status, foreign.message)
  if (endpoint === undefined) return answerPage(request, path) ?? missing()
  if (request.method !== endpoint.method) return fault(405, `Use ${endpoint.method}.`)
  const denial = endpoint.needsToken ? denyWithoutToken(request, token) : undefined
  if (denial !== undefined) return fault(denial.status, denial.message)
  if (path === eventsPath) return (response) => openStream(response, streams)
  const body = await readBody(request)
  return body === undefined
    ? fault(413, 'The body is too large.')
    : endpoint.answer(subject, { body, query: new URLSearchParams(query) })
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let text = ''
  request.setEncoding('utf8')
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk
    if (text.length > maxBodyBytes) return undefined
  }
  return text
}

function send(response: ServerResponse, answer: Answer): void {
  // Whoever reads it by curl reads what strangers wrote.
  const body = JSON.stringify(answer.body, undefined, 2).split('\n').map(asLine).join('')
  response.writeHead(answer.status, { ...securityHeaders, 'content-type': 'application/json; charset=utf-8' })
  response.end(body)
}

/** The page is the same for everybody: without the token it shows nothing. */
function answerPage({ method }: IncomingMessage, path: string): Answer | Stream | undefined {
  const files = pageFiles()
  const file = Object.hasOwn(files, path) ? files[path] : undefined
  if (file === undefined) return undefined
  if (method !== 'GET') return fault(405, 'Use GET.')
  return (response) =>
    void response.writeHead(200, { ...pageHeaders, 'content-type': file.type }).end(file.text)
}

function openStream(response: ServerResponse, streams: EventStreams): void {
  if (!streams.open(response)) send(response, fault(503, 'Too many pages are open. Close one.'))
}

function missing(): Answer {
  return fault(404, `There is: /, ${Object.keys(endpoints).join(', ')}.`)
}

function fault(status: number, message: string): Answer {
  return { status, body: { message } }
}

function done(act: () => void): Answer {
  act()
  return { status: 202, body: { message: 'done' } }
}

function showDecisions(subject: AdminSubject, { query }: Asked): Answer {
  const unknown = [...query.keys()].find((name) => name !== 'id')
  if (unknown !== undefined) return fault(400, 'The only parameter is id: that of a request, or of a trace.')
  return ok(subject.decisions(query.get('id') ?? undefined))
}

function judge(subject: AdminSubject, { body }: Asked): Answer {
  const asked = parseAsked(body)
  return asked === undefined
    ? fault(400, 'Send {"token": …}, with "for": … for an X-Pomerium-Jwt-Assertion-For beside it.')
    : ok(subject.judge(asked))
}

function parseAsked(body: string): AskedToken | undefined {
  const asked = parseObject(body)
  const { token, for: tokenFor } = asked ?? {}
  if (typeof token !== 'string' || token === '') return undefined
  if (tokenFor !== undefined && typeof tokenFor !== 'string') return undefined
  return { token: token.trim(), tokenFor: tokenFor?.trim() || undefined }
}

function parseObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function setLogLevel(subject: AdminSubject, { body }: Asked): Answer {
  const level = body.trim()
  if (!isLogLevel(level)) return fault(400, 'Send one of: debug, info, warn, error.')
  subject.setLogLevel(level)
  return ok({ level })
}
