// The verifier on the page, which uses jose alone, comes to our verdict on every chain that the tests know.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { publishedKeySet } from '../../../sidecar/admin/describe.ts'
import { createCredential } from '../../../sidecar/credential/credential.ts'
import { meshIssuer, nothingRevoked } from '../../support/tokens.ts'
import { honestCases, hostileCases, knownCertificates, type ChainCase } from './cases.ts'
import { accountOf, hostOf, routes, services, snapshotAt } from './ground.ts'

const page = await readFile(join(import.meta.dirname, '../../../deploy/evidence/README.md'), 'utf8')
const [, code = ''] = /```js\n([^]*?)```/.exec(page) ?? []

interface Question {
  readonly via: string
  readonly token: string
  readonly caller: string
  readonly route: { readonly host: string; readonly name: string }
  readonly nowS: number
}
type Verify = (question: Question, jwks: unknown, mesh: unknown) => Promise<string[]>

let folder = ''
let verifyChain: Verify = () => Promise.reject(new Error('not loaded'))

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onbehalf-test-'))
  const file = join(folder, 'verifier.mjs')
  await writeFile(file, code.replace("from 'jose'", `from '${import.meta.resolve('jose')}'`))
  const loaded = (await import(pathToFileURL(file).href)) as { verifyChain: Verify }
  verifyChain = loaded.verifyChain
})
after(() => rm(folder, { recursive: true, force: true }))

/** What a sidecar that has seen all of these certificates publishes. */
function publishedKeys({ at, nowS }: ChainCase): unknown {
  const snapshot = snapshotAt(at)
  for (const { keys, base64 } of knownCertificates) {
    snapshot.trust.certificates.set(keyThumbprint(keys.publicKey), [base64])
  }
  const credential = createCredential(undefined, undefined)
  return JSON.parse(JSON.stringify(publishedKeySet({ snapshot, credential }, nothingRevoked, nowS * 1000)))
}

function judge(one: ChainCase): Promise<string[]> {
  const mesh = {
    issuer: meshIssuer,
    maxHops: one.maxHops ?? 8,
    routes: routes.map(({ name, host, service }) => ({ name, host, service })),
    signers: Object.fromEntries(services.map((service) => [service, [accountOf(service)]])),
  }
  const { via, token, caller, at, nowS } = one
  return verifyChain(
    { via, token, caller, route: { host: hostOf(at), name: at }, nowS },
    publishedKeys(one),
    mesh,
  )
}

test('it is forty lines that use jose alone', () => {
  const lines = code.split('\n').filter((line) => line.trim() !== '')
  assert.ok(lines.length <= 40 && lines.length > 20, `${lines.length} lines`)
  assert.deepEqual(code.match(/\bimport\b.*|\brequire\b.*/g), [
    "import { base64url, compactVerify, createLocalJWKSet } from 'jose'",
  ])
})

for (const one of honestCases) {
  test(`honest: ${one.name}`, async () => {
    const passed = await judge(one)
    assert.equal(passed.at(-1), one.caller)
    assert.equal(passed.length, one.via.split(',').length)
  })
}

for (const one of hostileCases) {
  test(`hostile: ${one.name}`, () => assert.rejects(judge(one)))
}
