// Stands in for a Kubernetes API server: keeps a few objects by its rules, behind TLS, tokens and RBAC.
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { ApiPlace } from '../../deploy/kubernetes/injector/kubernetes-api.ts'
import { leafExtensions, makeLeaf, makeRoot, subjectAltName } from '../support/certificates.ts'
import { der } from '../support/der.ts'

export interface StoredObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly resourceVersion?: string }
  readonly [field: string]: unknown
}

/** Verb and path: all that a client may do. */
export type Rights = readonly (readonly [verb: 'get' | 'update', path: string])[]

const verbs: Readonly<Record<string, string>> = { GET: 'get', PUT: 'update' }

class Fault extends Error {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string) {
    super(reason)
    this.code = code
    this.reason = reason
  }
}

interface Version {
  readonly atMs: number
  readonly object: StoredObject
}

export class ApiServer {
  /** Verb and path of each call that was let in. */
  readonly calls: string[] = []
  /** Called before a call is carried out, to get in its way. */
  onCall: (verb: string, path: string) => Promise<void> | void = () => {}
  readonly #server: Server
  readonly #rights: ReadonlySet<string>
  readonly #folder: string
  readonly #versions = new Map<string, Version[]>()
  #token = ''
  #port = 0
  #revision = 0

  constructor(folder: string, rights: Rights, tls: { cert: string; key: string }) {
    this.#folder = folder
    this.#rights = new Set(rights.map((right) => right.join(' ')))
    this.#server = createServer(tls, (request, response) => void this.#serve(request, response))
  }

  /** As a pod finds it. */
  get place(): ApiPlace {
    return { host: '127.0.0.1', port: this.#port, accountFolder: this.#folder }
  }

  /** At the same port as before. */
  async comeBack(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async leave(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  /** The one before counts no more. */
  async renewToken(): Promise<void> {
    this.#token = `token-${++this.#revision}-${Math.random()}`
    await writeFile(join(this.#folder, 'token'), this.#token)
  }

  /** Puts an object there, whatever was there. */
  put(path: string, object: StoredObject): void {
    const resourceVersion = String(++this.#revision)
    const versions = this.#versions.get(path) ?? []
    const stored = structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion } })
    versions.push({ atMs: performance.now(), object: stored })
    this.#versions.set(path, versions)
  }

  /** As it was so long ago: other parts of a control plane hear of changes later. */
  get(path: string, agoMs = 0): StoredObject | undefined {
    const untilMs = performance.now() - agoMs
    return this.#versions.get(path)?.findLast(({ atMs }) => atMs <= untilMs)?.object
  }

  /** All that was ever there, the oldest first. */
  versions(path: string): readonly StoredObject[] {
    return (this.#versions.get(path) ?? []).map(({ object }) => object)
  }

  delete(path: string): void {
    this.#versions.delete(path)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    try {
      const { status, object } = await this.#carryOut(request)
      answer(status, object)
    } catch (error) {
      const { code, reason } = error instanceof Fault ? error : new Fault(500, String(error))
      answer(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason })
    }
  }

  async #carryOut(request: IncomingMessage): Promise<{ status: number; object: object }> {
    const { method = '', url: path = '', headers } = request
    const verb = verbs[method] ?? method
    const body = await text(request)
    if (headers.authorization !== `Bearer ${this.#token}`) throw new Fault(401, 'Unauthorized')
    if (!this.#rights.has(`${verb} ${path}`)) throw new Fault(403, 'Forbidden')
    this.calls.push(`${verb} ${path}`)
    await this.onCall(verb, path)
    if (verb === 'get') return { status: 200, object: this.#existing(path) }
    if (headers['content-type'] !== 'application/json') throw new Fault(415, 'UnsupportedMediaType')
    const object = JSON.parse(body) as StoredObject
    check(object)
    return { status: 200, object: this.#replace(path, object) }
  }

  #existing(path: string): StoredObject {
    const found = this.get(path)
    if (found === undefined) throw new Fault(404, 'NotFound')
    return found
  }

  #replace(path: string, object: StoredObject): StoredObject {
    const found = this.#existing(path)
    const { name, resourceVersion } = object.metadata
    if (name !== found.metadata.name) throw new Fault(400, 'BadRequest')
    if (resourceVersion === undefined) throw new Fault(422, 'Invalid')
    if (resourceVersion !== found.metadata.resourceVersion) throw new Fault(409, 'Conflict')
    // A Secret never changes its type.
    if (object['type'] !== found['type']) throw new Fault(422, 'Invalid')
    this.put(path, object)
    return this.#existing(path)
  }
}

/** @throws {Fault} a real one would not take it. */
function check(object: StoredObject): void {
  if (object.kind === 'Secret') {
    const values: readonly unknown[] = Object.values((object['data'] as object | undefined) ?? {})
    if (!values.every(isBase64)) throw new Fault(400, 'BadRequest')
  }
  if (object.kind === 'MutatingWebhookConfiguration') {
    const webhooks = object['webhooks'] as readonly {
      readonly clientConfig: { readonly caBundle?: string }
    }[]
    for (const { clientConfig } of webhooks) checkBundle(clientConfig.caBundle ?? '')
  }
}

function isBase64(value: unknown): boolean {
  return typeof value === 'string' && Buffer.from(value, 'base64').toString('base64') === value
}

function checkBundle(bundle: string): void {
  const blocks = pemBlocks(bundle)
  if (!isBase64(bundle) || (bundle !== '' && blocks.length === 0)) throw new Fault(422, 'Invalid')
  for (const block of blocks) if (!new X509Certificate(block).ca) throw new Fault(422, 'Invalid')
}

/** The certificates of a `caBundle`. */
export function pemBlocks(bundle: string): readonly string[] {
  return (
    Buffer.from(bundle, 'base64')
      .toString()
      .match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
  )
}

/** It is there, unless it is told to leave. */
export async function startApiServer(t: Pick<TestContext, 'after'>, rights: Rights): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-account-'))
  const untilMs = Date.now() + 3_600_000
  const root = makeRoot({ notAfterMs: untilMs })
  const address = subjectAltName(der(0x87, Buffer.from([127, 0, 0, 1])))
  const leaf = makeLeaf(root, '', { notAfterMs: untilMs, extensions: leafExtensions('', address) })
  await writeFile(join(folder, 'ca.crt'), root.pem)
  const server = new ApiServer(folder, rights, { cert: leaf.pem, key: leaf.keyPem })
  await server.renewToken()
  await server.comeBack()
  t.after(async () => {
    await server.leave().catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  })
  return server
}
