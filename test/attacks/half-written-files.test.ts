// The attacker leaves files half-written while the sidecar runs, as a full disk does, and wants it to admit whom it refused, to refuse whom it admitted, to hang, or to end.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { formatProblem } from '../../shared/config/problem.ts'
import { readMesh } from '../../sidecar/mesh-file.ts'
import { startSidecar, type Sidecar } from '../../sidecar/sidecar.ts'
import { mebibyte, residentOf } from '../endurance/resident.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, assertionName } from './attack.ts'

const sections = {
  mesh: `mesh:
  issuer: mesh.companydomain.com
  ca: ca.pem
`,
  issuers: `issuers:
  - name: pomerium
    issuer: [hostOnly]
    jwks: jwks.json
    single_use: true
`,
  services: `services:
  App:
    app: APP_ORIGIN
    listen:
      inbound: 127.0.0.1:0
      outbound: 127.0.0.1:0
      admin: 127.0.0.1:0
      probes: 127.0.0.1:0
    credential:
      certificate: api-access.pem
      key: api-access-key.pem
    calls: []
`,
  routes: `routes:
  - name: API
    from: https://${hosts.API}
    to: API_ORIGIN
    account: ledger-access
    policy:
      - allow:
          or:
            - user:
                is: api-access
  - name: App
    from: https://${hosts.App}
    to: http://127.0.0.1:2
    pass_identity_headers: true
    account: api-access
    policy:
      - allow:
          or:
            - user:
                is: ledger-access
            - domain:
                is: companydomain.com
      - deny:
          or:
            - email:
                is: bob@companydomain.com
`,
} as const
type Section = keyof typeof sections

/** The mesh file with one section at its end, where a cut finds it. */
function textWithLast(last: Section, { apps }: TestMesh): string {
  const order = (Object.keys(sections) as Section[]).filter((name) => name !== last)
  const text = [...order, last].map((name) => sections[name]).join('')
  return text.replace('APP_ORIGIN', apps.App.origin).replace('API_ORIGIN', apps.API.origin)
}

interface Ground {
  readonly mesh: TestMesh
  readonly sidecar: Sidecar
  readonly inbound: number
  readonly outbound: number
  readonly text: string
  readonly logs: string[]
  fileOf(name: string): string
  /** Added to the system's clock. */
  offsetMs: number
}

/** App's sidecar, as `onbehalf run` reads its files. */
async function start(t: TestContext, last: Section = 'routes'): Promise<Ground> {
  const mesh = await startMesh(t, { run: [] })
  const fileOf = (name: string) => join(mesh.folder, name)
  const text = textWithLast(last, mesh)
  await writeFile(fileOf('mesh.yaml'), text)
  await writeFile(fileOf('jwks.json'), JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] }))
  const ground = { offsetMs: 0 }
  const logs: string[] = []
  const sidecar = await startSidecar({
    read: async () => {
      const question = { flags: { config: fileOf('mesh.yaml'), service: 'App' }, env: {}, cwd: mesh.folder }
      const { mesh: read, material, problems, source } = await readMesh(question)
      const errors = problems.filter(({ severity }) => severity === 'error').map(formatProblem)
      const endsInNewline = source.text.endsWith('\n')
      return { mesh: read, material, file: source.file, endsInNewline, errors, warnings: [] }
    },
    now: () => Date.now() + ground.offsetMs,
    output: { write: (line) => logs.push(line) },
    env: {},
    onShutdown: () => undefined,
  })
  t.after(() => sidecar.stop())
  await eventually(async () => sidecar.notReady().length === 0)
  const portOf = (name: 'inbound' | 'outbound') => sidecar.addresses[name][0]?.port ?? 0
  const [inbound, outbound] = [portOf('inbound'), portOf('outbound')]
  return Object.assign(ground, { mesh, sidecar, inbound, outbound, text, logs, fileOf })
}

/** What the whole file says of each. */
const whole = {
  alice: '200',
  'an account': '200',
  mallory: '403 policy_denied',
  bob: '403 policy_denied',
  'a token used twice': '401 assertion_reused',
  'a call': '403 call_not_allowed',
}
type Verdicts = typeof whole

async function ask(port: number, headers: readonly string[], host: string = hosts.App): Promise<string> {
  const { status, code } = await send({ port, host, headers })
  return `${status} ${code}`.trim()
}

async function verdictsOf({ mesh, inbound, outbound }: Ground): Promise<Verdicts> {
  const as = async (user: string) => ask(inbound, await asUser(mesh, user))
  const minter = await mesh.minter('ledger-access')
  const used = await asUser(mesh, 'alice')
  await ask(inbound, used)
  return {
    alice: await as('alice'),
    'an account': await ask(inbound, [assertionName, minter.assertionFor(hosts.App)]),
    mallory: await as('mallory'),
    bob: await as('bob'),
    'a token used twice': await ask(inbound, used),
    'a call': await ask(outbound, [], hosts.API),
  }
}

async function reloadWith(ground: Ground, text: string): Promise<void> {
  await writeFile(ground.fileOf('mesh.yaml'), text)
  await ground.sidecar.reload('the test')
}

/** From where the last section begins: the ends of lines, and places within them. */
function cutsOf(text: string, last: Section): { ends: number[]; within: number[] } {
  const ends: number[] = []
  const within: number[] = []
  for (let at = text.indexOf(`${last}:\n`); at < text.length; at++) {
    if (text[at - 1] === '\n') ends.push(at)
    else if (at % 9 === 0) within.push(at)
  }
  return { ends, within }
}

/** Who gets through now and did not before. */
function openedTo(verdicts: Verdicts): string[] {
  const people = Object.keys(whole) as (keyof Verdicts)[]
  return people.filter((who) => verdicts[who] === '200' && whole[who] !== '200')
}

/**
 * The last line that is left, where what it leaves is a valid mesh file that says less, and counts as it stands: why a
 * mesh file is to be replaced by renaming.
 */
const honest: Readonly<Record<Exclude<Section, 'mesh'>, readonly [line: string, opened: string][]>> = {
  routes: [['                is: companydomain.com', 'bob']],
  issuers: [['    jwks: jwks.json', 'a token used twice']],
  services: [['      key: api-access-key.pem', 'a call']],
}

for (const last of ['routes', 'issuers', 'services'] as const) {
  test(`a mesh file that is cut within a line of its ${last} takes no effect`, async (t) => {
    const ground = await start(t, last)
    assert.deepEqual(await verdictsOf(ground), whole)
    for (const at of cutsOf(ground.text, last).within) {
      await reloadWith(ground, ground.text.slice(0, at))
      assert.deepEqual(await verdictsOf(ground), whole, ground.text.slice(0, at))
    }
    assert.equal(ground.logs.filter((line) => line.includes('configuration reloaded')).length, 0)
  })

  test(`a mesh file that is cut between two lines of its ${last} opens what was in no line that is left`, async (t) => {
    const ground = await start(t, last)
    const opened: [line: string, to: string][] = []
    for (const at of cutsOf(ground.text, last).ends) {
      const left = ground.text.slice(0, at)
      await reloadWith(ground, left)
      const line = left.trimEnd().split('\n').at(-1) ?? ''
      opened.push(...openedTo(await verdictsOf(ground)).map((to) => [line, to] as [string, string]))
      await reloadWith(ground, ground.text)
      assert.deepEqual(await verdictsOf(ground), whole)
    }
    assert.deepEqual(opened, honest[last])
  })
}

test('a mesh file that is written in pieces counts when it is whole', async (t) => {
  const ground = await start(t)
  await writeFile(ground.fileOf('mesh.yaml'), '')
  for (const line of ground.text.replace('bob@', 'nobody@').split(/(?<=\n)/)) {
    await appendFile(ground.fileOf('mesh.yaml'), line)
  }
  await eventually(async () => (await verdictsOf(ground)).bob === '200')
  assert.equal(ground.logs.filter((line) => line.includes('configuration reloaded')).length, 1)
})

function cutWithinLine(before: Buffer, tenths: number): Buffer {
  const at = Math.floor((before.length * tenths) / 10)
  return before.subarray(0, before.toString('latin1', at - 1, at) === '\n' ? at - 1 : at)
}

/** What stands where the file was. */
const remains: Readonly<Record<string, (file: string, before: Buffer) => Promise<unknown> | void>> = {
  'an empty file': (file) => writeFile(file, ''),
  'a folder': (file) => mkdir(file),
  'a pipe that nobody writes to': (file) => void execFileSync('mkfifo', [file]),
  'a link to nowhere': (file) => symlink('nowhere', file),
  'a link to itself': (file) => symlink(file, file),
  'an endless device': (file) => symlink('/dev/zero', file),
  'a file of 100 MB': async (file, before) => {
    await writeFile(file, before)
    await truncate(file, 100_000_000)
  },
  'nothing at all': () => undefined,
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((tenths) => [
      `${tenths} tenths of it`,
      (file: string, before: Buffer) => writeFile(file, cutWithinLine(before, tenths)),
    ]),
  ),
}

/** More than a file of 100 MB may make a sidecar grow, with the test beside it. */
const maxGrowthBytes = 96 * mebibyte

/** Asks for a key that is not there, so that the key set is read anew. */
async function askForKeys(ground: Ground): Promise<string> {
  ground.offsetMs += 2_000
  const { pomerium } = ground.mesh
  const header = { alg: 'ES256', kid: `${ground.offsetMs}` }
  const token = await pomerium.sign(pomerium.claims('alice', hosts.App), { header })
  return (await send({ port: ground.inbound, headers: [assertionName, token] })).code
}

const files = ['mesh.yaml', 'jwks.json', 'ca.pem', 'api-access.pem', 'api-access-key.pem']
for (const name of files) {
  test(`what is left of ${name} takes no effect, whatever it is, and the whole one counts again`, async (t) => {
    const ground = await start(t)
    const file = ground.fileOf(name)
    const before = await readFile(file)
    const residentBefore = residentOf(process.pid)
    for (const [what, leave] of Object.entries(remains)) {
      await rm(file, { recursive: true })
      await leave(file, before)
      await ground.sidecar.reload('the test')
      if (name === 'jwks.json') assert.equal(await askForKeys(ground), 'keys_unavailable', what)
      assert.deepEqual(await verdictsOf(ground), whole, what)
      await writeFile(`${file}.new`, before)
      await rm(file, { recursive: true, force: true })
      await rename(`${file}.new`, file)
    }
    const grown = residentOf(process.pid) - residentBefore
    assert.ok(grown < maxGrowthBytes, `grew by ${Math.round(grown / mebibyte)} MiB`)
    await ground.sidecar.reload('the test')
    assert.deepEqual(ground.sidecar.notReady(), [])
    await ground.mesh.pomerium.rotateKey({ dropOld: true })
    const rotated = JSON.stringify({ keys: [ground.mesh.pomerium.signingKey().jwk] })
    await writeFile(ground.fileOf('jwks.json'), rotated)
    await reloadWith(ground, ground.text.replace('bob@', 'nobody@'))
    await eventually(async () => (await verdictsOf(ground)).bob === '200')
    assert.deepEqual(await verdictsOf(ground), { ...whole, bob: '200' })
  })
}

test('a certificate without its new key takes no effect, and counts with it', async (t) => {
  const ground = await start(t)
  const { certificatePem, keyPem } = await ground.mesh.certified('api-access')
  const saying = (what: string) => ground.logs.filter((line) => line.includes(what)).length
  await writeFile(ground.fileOf('api-access.pem'), certificatePem)
  await ground.sidecar.reload('the test')
  assert.deepEqual(await verdictsOf(ground), whole)
  assert.deepEqual([saying('not reloaded'), saying('configuration reloaded')], [1, 0])
  await writeFile(ground.fileOf('api-access-key.pem'), keyPem)
  await eventually(async () => saying('configuration reloaded') > 0)
  assert.deepEqual(await verdictsOf(ground), whole)
})
