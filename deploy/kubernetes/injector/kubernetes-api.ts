// The few calls to the Kubernetes API by which the injector keeps its own certificate: as the pod's service account.
import { request } from 'node:https'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface ApiPlace {
  readonly host: string
  readonly port: number
  /** Holds `token`, `ca.crt` and `namespace`, as Kubernetes mounts them. */
  readonly accountFolder: string
}

export interface ApiObject {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string }
  readonly [field: string]: unknown
}

export class ApiFault extends Error {
  readonly status: number

  /** @param status of HTTP; 0: there was no answer. */
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface KubernetesApi {
  /** @throws {ApiFault} 404: there is none. */
  get<T extends ApiObject>(path: string): Promise<T>
  /** @throws {ApiFault} 409: it was changed since it was read. */
  replace(path: string, object: ApiObject): Promise<void>
  /** By the API server's own clock, to the second: milliseconds since the epoch. Undefined until it has answered. */
  clockMs(): number | undefined
}

const deadlineMs = 5_000

export const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** @throws {Error} this is no pod. */
export function placeInPod(env: Readonly<Record<string, string | undefined>>): ApiPlace {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (host === undefined || port === undefined)
    throw new Error('--bootstrap works in a pod alone: KUBERNETES_SERVICE_HOST is not set')
  return { host, port: Number(port), accountFolder }
}

export function createApi(place: ApiPlace): KubernetesApi {
  let startMs: number | undefined
  const ask = (method: string, path: string, body?: object) =>
    call(place, method, path, body, (date) => {
      const ms = Date.parse(date)
      if (!Number.isNaN(ms)) startMs = ms - performance.now()
    })
  return {
    clockMs: () => (startMs === undefined ? undefined : startMs + performance.now()),
    async get<T extends ApiObject>(path: string) {
      return (await ask('GET', path)) as T
    },
    async replace(path, object) {
      await ask('PUT', path, object)
    },
  }
}

async function call(
  { host, port, accountFolder: folder }: ApiPlace,
  method: string,
  path: string,
  body: object | undefined,
  onDate: (date: string) => void,
): Promise<unknown> {
  // Kubernetes renews the token; it is read anew each time.
  const [token, ca] = await Promise.all([
    readFile(join(folder, 'token'), 'utf8'),
    readFile(join(folder, 'ca.crt'), 'utf8'),
  ])
  const headers = {
    authorization: `Bearer ${token.trim()}`,
    accept: 'application/json',
    'content-type': 'application/json',
  }
  const signal = AbortSignal.timeout(deadlineMs)
  const asking = request({ host, port, path, method, headers, ca, agent: false, signal })
  try {
    asking.end(body === undefined ? undefined : JSON.stringify(body))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    onDate(response.headers.date ?? '')
    const answer = await text(response)
    const status = response.statusCode ?? 0
    if (status >= 300) throw new ApiFault(status, `${method} ${path}: ${status} ${reasonOf(answer)}`)
    return parseAnswer(answer)
  } catch (error) {
    if (error instanceof ApiFault) throw error
    throw new ApiFault(
      0,
      `${method} ${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    )
  }
}

/** The parser's own words would show a piece of what was read, which may be a key. */
function parseAnswer(answer: string): unknown {
  try {
    return JSON.parse(answer)
  } catch {
    throw new Error('the answer is no JSON')
  }
}

/** `reason` of a Status: a word, and never what was sent. */
function reasonOf(answer: string): string {
  try {
    const { reason } = JSON.parse(answer) as { reason?: unknown }
    return typeof reason === 'string' ? reason : ''
  } catch {
    return ''
  }
}
