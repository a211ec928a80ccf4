// The attacker reads all that sidecars say of themselves, after ten thousand requests good and bad, and wants a secret in it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { chanceOf, type Chance } from '../fuzz/fuzz.ts'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { assertionName, calling, forName, viaName } from './attack.ts'
import { badRequests, textOf, type BadGround } from './bad-requests.ts'

const requests = 10_000
const atOnce = 16

/** So much of a secret, from its begin or its end, is enough to be seen. */
const partLength = 12

/** What must not come to light, and where each of it was. */
class Canaries {
  readonly #places = new Map<string, string>()

  /** A new one. */
  plant(place: string): string {
    const canary = `canary${randomBytes(12).toString('hex')}`
    this.#add(place, canary)
    return canary
  }

  /** What is secret anyway: of a token its parts, but for the header, which says only how it was signed. */
  add(place: string, secret: string): void {
    const parts = secret.split('.')
    for (const part of parts.length === 3 ? parts.slice(1) : parts) this.#add(place, part)
  }

  #add(place: string, secret: string): void {
    assert.ok(secret.length >= partLength, `${place}: ${secret}`)
    this.#places.set(secret.slice(0, partLength), place)
    this.#places.set(secret.slice(-partLength), place)
  }

  get size(): number {
    return this.#places.size / 2
  }

  /** The places of those that a text shows. */
  in(text: string): string[] {
    const seen = new Set<string>()
    for (const [word] of text.matchAll(/[\w+/-]{12,}/g)) {
      for (let i = 0; i + partLength <= word.length; i++) {
        const place = this.#places.get(word.slice(i, i + partLength))
        if (place !== undefined) seen.add(place)
      }
    }
    return [...seen]
  }
}

const userNames = ['alice', 'bob', ...Array.from({ length: 50 }, (_, i) => `user${i}`)]

/** With secrets wherever an app may have them; it goes on to API on behalf of the user. */
async function askAsUser({ mesh, app, agent, plant, add }: BadGround, chance: Chance): Promise<string> {
  const token = await mesh.pomerium.assertion(userNames[chance(userNames.length)], hosts.App)
  add('a user token', token)
  const headers = [
    assertionName,
    token,
    'Cookie',
    `session=${plant('a cookie')}`,
    'Authorization',
    `Bearer ${plant('Authorization')}`,
    'X-Api-Key',
    plant('a header'),
  ]
  const target = `/orders?key=${plant('a query')}`
  return textOf(
    await send({ port: app.inbound, agent, method: 'POST', target, headers, body: plant('a body') }),
  )
}

/** Keeps the bytes of all that is exported, as it came. */
async function startSink(t: TestContext): Promise<{ url: string; text: () => string }> {
  const parts: string[] = []
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      parts.push(body.toString('latin1'))
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => parts.join('\n'),
  }
}

async function pagesOf(
  mesh: TestMesh,
  { admin, probes, pid }: SidecarProcess,
  token: string,
): Promise<string> {
  const headers = ['Authorization', `Bearer ${token}`]
  const targets = ['/config', '/keys', '/sessions', '/decisions', '/.well-known/pomerium/jwks.json', '/']
  const pages = await Promise.all([
    ...targets.map((target) => send({ port: admin, host: `127.0.0.1:${admin}`, target, headers })),
    ...['/metrics', '/ready', '/livez'].map((target) => send({ port: probes, target })),
  ])
  const files = ['cmdline', 'comm', 'status'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1'))
  const audit = readFile(join(mesh.folder, 'audit.log'), 'utf8')
  return [...pages.map(({ body }) => body), ...(await Promise.all(files)), await audit].join('\n')
}

/** What the mesh's own parts hold. */
async function addOwnSecrets(
  mesh: TestMesh,
  canaries: Canaries,
  adminTokens: readonly string[],
): Promise<void> {
  for (const token of adminTokens) canaries.add('an admin token', token)
  for (const account of ['api-access', 'ledger-access']) {
    const pem = await readFile(join(mesh.folder, `${account}-key.pem`), 'utf8')
    for (const line of pem.split('\n').filter((each) => each.length > 40)) canaries.add('a private key', line)
  }
  for (const received of mesh.apps.API.received) {
    for (const name of [assertionName, forName, viaName])
      for (const value of rawValues(received, name))
        for (const token of value.split(/, ?/)) canaries.add(`${name} as API's app gets it`, token)
  }
}

test('nothing that sidecars say of themselves holds a secret, whatever they were sent', async (t) => {
  const canaries = new Canaries()
  const sink = await startSink(t)
  const mesh = await startMesh(t, {
    run: [],
    settings: {
      log: { level: 'debug', access: 'json', lines_per_second: 100_000 },
      audit: { to: 'file', file: 'audit.log' },
    },
    routes: { API: { set_request_headers: { 'X-Upstream-Key': canaries.plant('set_request_headers') } } },
  })
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-tenant-key=${canaries.plant('OTEL_EXPORTER_OTLP_HEADERS')}`,
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_BSP_SCHEDULE_DELAY: '200',
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
    OTEL_METRIC_EXPORT_TIMEOUT: '1000',
  }
  const api = await startSidecarProcess(t, mesh, 'API', env)
  const app = await startSidecarProcess(t, mesh, 'App', env)
  calling(mesh.apps.App, app.outbound, hosts.API, ({ headers }) => {
    canaries.add('the handle as the app gets it', String(headers['x-onbehalf-handle']))
    return ['tracestate', String(headers['tracestate'] ?? ''), 'Cookie', canaries.plant('a cookie of a call')]
  })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const ground: BadGround = {
    mesh,
    app,
    agent,
    plant: (place) => canaries.plant(place),
    add: (place, secret) => canaries.add(place, secret),
  }
  const answers: string[] = []
  const outcomes = new Map<string, number>()
  const chance = chanceOf(7)
  let left = requests
  const work = async () => {
    while (left-- > 0) {
      const bad = badRequests[chance(badRequests.length + 1)]
      const answer = await (bad === undefined ? askAsUser(ground, chance) : bad.send(ground, chance))
      answers.push(answer)
      const outcome = /^(?:HTTP\/1\.1 )?(\d+(?: [a-z_]+)?)/.exec(answer)?.[1] ?? 'no answer'
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const tokens = await Promise.all(
    ['App', 'API'].map(async (name) =>
      (await readFile(join(mesh.folder, `${name}.admin-token`), 'utf8')).trim(),
    ),
  )
  const pages = [await pagesOf(mesh, app, tokens[0] as string), await pagesOf(mesh, api, tokens[1] as string)]
  await addOwnSecrets(mesh, canaries, tokens)
  await Promise.all([app.terminate(), api.terminate()])
  t.diagnostic(
    `${canaries.size} secrets; ${[...outcomes].map(([what, count]) => `${what}: ${count}`).join(', ')}`,
  )
  assert.ok((outcomes.get('200') ?? 0) > requests / 20, 'too few were good')
  assert.ok(mesh.apps.API.received.length > requests / 20, 'too few calls came on')
  const emitted = { log: app.output() + api.output(), pages: pages.join('\n'), telemetry: sink.text() }
  for (const [where, text] of Object.entries({ ...emitted, answers: answers.join('\n') })) {
    assert.ok(text.length > 10_000, `${where}: ${text.length}`)
    assert.deepEqual(canaries.in(text), [], where)
  }
  // Users are pseudonyms there.
  for (const text of [emitted.log, emitted.telemetry])
    assert.doesNotMatch(text, /@companydomain\.com|\b(?:alice|bob|mallory|user\d+)-id\b/)
})

test('what stands in a text is seen, by its begin and by its end', () => {
  const canaries = new Canaries()
  const canary = canaries.plant('a place')
  canaries.add('a token', 'header.payload-of-it.signature-of-it')
  assert.deepEqual(canaries.in(`a ${canary.slice(0, 20)}…`), ['a place'])
  assert.deepEqual(canaries.in(`"…${canary.slice(5)}"`), ['a place'])
  assert.deepEqual(canaries.in('header payload-of signature-of-it'), ['a token'])
  assert.deepEqual(canaries.in('nothing of it, and header alone'), [])
})
