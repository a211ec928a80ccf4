// `onbehalf verify-chain`: eight honest hops, printed; and what it says where the way was another.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { evidenceOf, type Evidence } from '../../shared/evidence/evidence.ts'
import { hashOf, readLink } from '../../shared/evidence/link.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { verifyChain } from '../../sidecar/cli/verify-chain.ts'
import type { ChainReport } from '../../sidecar/cli/verify-chain-report.ts'
import { parseRoots, readAccountCredential } from '../../sidecar/credential/files.ts'
import { createLinker, type Linker } from '../../sidecar/credential/linker.ts'
import { createMinter, type Minter } from '../../sidecar/credential/minter.ts'

const services = Array.from({ length: 9 }, (_, i) => `S${i}`)
const hostOf = (service: string) => `${service.toLowerCase()}.example.com`
const accountOf = (service: string) => `calls-from-${service}`
const meshIssuer = 'mesh.example.com'

interface Ground {
  readonly folder: string
  readonly token: string
  /** The links of a way through services, each calling the next. */
  walk(way: readonly string[], withChain?: boolean, about?: string): string
  /** Signed by the issuer, about somebody else. */
  tokenAbout(claims: Readonly<Record<string, unknown>>): Promise<string>
  minterOf(service: string): Minter
}

/** A mesh file for nine services in a row, with all that it names, and nothing that runs. */
async function layOut(t: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const user = { sub: 'alice-id', email: 'alice@example.com', groups: [], name: 'Alice' }
  const pomerium = await startPomerium({ users: { alice: user } })
  t.after(() => pomerium.close())
  await writeFile(join(folder, 'jwks.json'), await (await fetch(pomerium.jwksUrl)).text())
  const signers = await certify(folder)
  const routes = services.map((name) => ({
    name,
    from: `https://${hostOf(name)}`,
    to: `http://127.0.0.1:1`,
    account: accountOf(name),
    accept_for: ['S0'],
    allow_any_authenticated_user: true,
  }))
  const mesh = {
    issuers: [
      {
        name: 'pomerium',
        issuer: 'hostOnly',
        jwks: 'https://authenticate.example.com/jwks.json',
        service_accounts: ['robot'],
      },
    ],
    mesh: { issuer: meshIssuer, ca: 'ca.pem' },
    routes,
  }
  await writeFile(join(folder, 'mesh.json'), JSON.stringify(mesh))
  const claims = pomerium.claims('alice', hostOf('S0'))
  const token = await pomerium.sign(claims)
  const endsAt = Number(claims['exp'])
  return {
    folder,
    token,
    minterOf: (service) => (signers.get(service) as Signer).minter,
    tokenAbout: (more) => pomerium.sign({ ...claims, ...more }),
    walk(way, withChain = true, about = token) {
      let evidence: Evidence | undefined
      let via = ''
      for (let i = 0; i + 1 < way.length; i++) {
        const { linker } = signers.get(way[i] as string) as Signer
        const to = way[i + 1] as string
        const passage = {
          userTokenHash: hashOf(about),
          userTokenEndsAt: endsAt,
          sinceMs: Date.now(),
          evidence,
        }
        via = linker.viaFor({ name: to, host: hostOf(to) }, passage, withChain)
        evidence = evidenceOf(via.split(',').map((text) => readLink(text).link))
      }
      return via
    },
  }
}

interface Signer {
  readonly linker: Linker
  readonly minter: Minter
}

/** Certificates of all accounts, together in accounts.pem. */
async function certify(folder: string): Promise<Map<string, Signer>> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  await writeFile(join(folder, 'ca.pem'), ca.certificatePem)
  const signers = new Map<string, Signer>()
  let pem = ca.certificatePem
  for (const service of services) {
    const account = accountOf(service)
    const request = {
      caPem: ca.certificatePem,
      caKeyPem: ca.keyPem,
      issuer: undefined,
      account,
      dnsNames: [],
    }
    const { certificatePem, keyPem } = await issueAccount({ ...request, days: 1, nowMs })
    pem += certificatePem
    const accounts = new Set([account])
    const authority = { name: 'mesh', issuer: meshIssuer, accounts, roots: parseRoots(ca.certificatePem) }
    const credential = readAccountCredential({ certificatePem, keyPem, authority, accounts, nowMs })
    const options = { ...credential, issuer: meshIssuer, now: Date.now }
    const minter = createMinter(options)
    signers.set(service, { minter, linker: createLinker({ ...options, x5c: minter.x5c }) })
  }
  await writeFile(join(folder, 'accounts.pem'), pem)
  return signers
}

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(ground: Ground, input: string, ...args: string[]): Promise<Outcome> {
  let [stdout, stderr] = ['', '']
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    env: {},
    cwd: ground.folder,
  }
  const given = ['--config', 'mesh.json', '--offline', '--keys', 'jwks.json', ...args]
  const status = await verifyChain(given, io, () => partsOf(input))
  return { status, stdout, stderr }
}

async function* partsOf(input: string): AsyncGenerator<string> {
  yield input
}

function headersOf({ token }: Ground, via: string, ...more: string[]): string {
  return [`X-Pomerium-Jwt-Assertion-For: ${token}`, `x-onbehalf-via: ${via}`, ...more, ''].join('\n')
}

const reportIn = ({ stdout }: Outcome) => JSON.parse(stdout) as ChainReport

test('eight honest hops are verified and printed: the user, the entry, and each hop', async (t) => {
  const ground = await layOut(t)
  const { status, stdout, stderr } = await run(ground, headersOf(ground, ground.walk(services)))
  assert.deepEqual([status, stderr], [0, ''], stdout)
  const lines = stdout.split('\n')
  assert.match(lines[0] ?? '', /^VERIFIED: 8 hops to S8, as of \d{4}-/)
  assert.match(lines[1] ?? '', /user +pomerium\/alice-id alice@example\.com, token from \S+Z to \S+Z$/)
  assert.match(lines[2] ?? '', /entry +S0 at s0\.example\.com$/)
  assert.match(lines[3] ?? '', /txn +[\w-]{16}$/)
  for (const [i, service] of services.slice(0, -1).entries()) {
    const next = services[i + 1]
    const hop = new RegExp(
      `^  ${i + 1}  ${service} → ${next}  ${accountOf(service)}  route ${next}  \\S+Z  key [0-9a-f]{16}$`,
    )
    assert.match(lines[4 + i] ?? '', hop)
  }
})

test('as JSON it is the same, whole', async (t) => {
  const ground = await layOut(t)
  const report = reportIn(await run(ground, headersOf(ground, ground.walk(['S0', 'S1', 'S2'])), '-o', 'json'))
  assert.deepEqual([report.answer, report.service, report.refusal], ['verified', 'S2', undefined])
  assert.deepEqual([report.user?.subject, report.entry], ['alice-id', { service: 'S0', host: hostOf('S0') }])
  assert.deepEqual(
    report.hops.map(({ link, account, from, to, route }) => [link, account, from, to, route]),
    [
      [1, accountOf('S0'), 'S0', 'S1', 'S1'],
      [2, accountOf('S1'), 'S1', 'S2', 'S2'],
    ],
  )
})

test('headers come from a file, and as curl -v shows them', async (t) => {
  const ground = await layOut(t)
  const assertion = ground.minterOf('S1').assertionFor(hostOf('S2'))
  const captured = [
    '* Connected to 127.0.0.1',
    '> GET /ledger?a=b: HTTP/1.1',
    '> Host: s2.example.com',
    ...headersOf(ground, ground.walk(['S0', 'S1', 'S2']), `X-Pomerium-Jwt-Assertion: ${assertion}`)
      .split('\n')
      .map((line) => `> ${line}`),
    '< HTTP/1.1 200 OK',
  ].join('\r\n')
  await writeFile(join(ground.folder, 'captured.txt'), captured)
  for (const argument of ['captured.txt', '@captured.txt']) {
    const { status, stdout } = await run(ground, '', argument)
    assert.equal(status, 0, stdout)
    assert.doesNotMatch(stdout, /nobody can tell/)
  }
})

test('who was calling must have signed the last link; without the assertion nobody can tell', async (t) => {
  const ground = await layOut(t)
  const via = ground.walk(['S0', 'S1', 'S2'])
  assert.match((await run(ground, headersOf(ground, via))).stdout, /note: without X-Pomerium-Jwt-Assertion/)
  const other = ground.minterOf('S3').assertionFor(hostOf('S2'))
  const { status, stdout } = await run(ground, headersOf(ground, via, `X-Pomerium-Jwt-Assertion: ${other}`))
  assert.equal(status, 1)
  assert.match(stdout, /^REFUSED: link 2: it is by "calls-from-S1", and "calls-from-S3" is calling\n/)
})

test('a -For that no sidecar would take is refused, whatever the links say of it', async (t) => {
  const ground = await layOut(t)
  for (const sub of ['robot', '']) {
    const token = await ground.tokenAbout({ sub })
    const headers = headersOf({ ...ground, token }, ground.walk(['S0', 'S1', 'S2'], true, token))
    const { status, stdout } = await run(ground, headers)
    assert.equal(status, 1, stdout)
    assert.match(stdout, /^REFUSED: X-Pomerium-Jwt-Assertion-For must be about a user\./)
  }
  const byUser = await ground.tokenAbout({ aud: hostOf('S2'), iss: hostOf('S2') })
  const headers = headersOf(ground, ground.walk(['S0', 'S1', 'S2']), `X-Pomerium-Jwt-Assertion: ${byUser}`)
  assert.match((await run(ground, headers)).stdout, /^REFUSED: Only a service account may call/)
})

test('which link is wrong is said, and shown among what they say', async (t) => {
  const ground = await layOut(t)
  const [first, , third] = ground.walk(['S0', 'S1', 'S2', 'S3']).split(',') as [string, string, string]
  const { status, stdout } = await run(ground, headersOf(ground, `${first},${third}`))
  assert.equal(status, 1)
  assert.match(stdout, /^REFUSED: link 2: it does not follow the link before it \(prv\)\n/)
  assert.match(stdout, /the links say, unverified:\n  1  S0 → S1 .*\n  2  S1 → S3 .*← this one\n/)
  const report = reportIn(await run(ground, headersOf(ground, `${first},${third}`), '-o', 'json'))
  assert.deepEqual(report.refusal, { link: 2, why: 'it does not follow the link before it (prv)' })
})

test('links without certificates need them from a file', async (t) => {
  const ground = await layOut(t)
  const headers = headersOf(ground, ground.walk(['S0', 'S1', 'S2'], false))
  const without = await run(ground, headers)
  assert.equal(without.status, 2)
  assert.match(
    without.stdout,
    /^CANNOT BE VERIFIED NOW: The certificate of the calling account cannot be looked up/,
  )
  assert.match(without.stdout, /note: what travels without its certificate .*--certificates FILE/)
  const { status, stdout } = await run(ground, headers, '--certificates', 'accounts.pem')
  assert.equal(status, 0, stdout)
  assert.doesNotMatch(stdout, /--certificates/)
})

test('another service than the last link leads to is asked for by name', async (t) => {
  const ground = await layOut(t)
  const headers = headersOf(ground, ground.walk(['S0', 'S1', 'S2']))
  const { status, stdout } = await run(ground, headers, '--service', 'S3')
  assert.equal(status, 1)
  assert.match(stdout, /^REFUSED: link 2: it goes to route "S2"/)
})

test('it is judged as of when the last link was signed, or as of --at', async (t) => {
  const ground = await layOut(t)
  const headers = headersOf(ground, ground.walk(['S0', 'S1', 'S2']))
  const tomorrow = String(Math.floor(Date.now() / 1000) + 86_400)
  const { status, stdout } = await run(ground, headers, '--at', tomorrow)
  assert.equal(status, 1)
  assert.match(stdout, /it has expired/)
})

test('without keys nothing can be told, which is no verdict', async (t) => {
  const ground = await layOut(t)
  let stdout = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: () => undefined },
    env: {},
    cwd: ground.folder,
  }
  const headers = headersOf(ground, ground.walk(['S0', 'S1', 'S2']))
  assert.equal(await verifyChain(['--config', 'mesh.json', '--offline'], io, () => partsOf(headers)), 2)
  assert.match(stdout, /^CANNOT BE VERIFIED NOW: /)
})

test('no part of a token or of a link is printed', async (t) => {
  const ground = await layOut(t)
  const via = ground.walk(['S0', 'S1', 'S2'])
  const headers = headersOf(ground, via)
  const shown = [await run(ground, headers), await run(ground, headers, '-o', 'json')].map(
    ({ stdout, stderr }) => stdout + stderr,
  )
  for (const part of [ground.token, ...via.split(',')].flatMap((each) => each.split('.').slice(1))) {
    for (const text of shown) assert.ok(!text.includes(part))
  }
})

const wrongUses: readonly (readonly [what: string, input: string, args: readonly string[], says: RegExp])[] =
  [
    ['no links', 'X-Pomerium-Jwt-Assertion-For: a.b.c\n', [], /the headers have no x-onbehalf-via/],
    ['no user', 'x-onbehalf-via: a.b.c\n', [], /the headers have no x-pomerium-jwt-assertion-for/],
    ['links twice', 'x-onbehalf-via: a\nX-Onbehalf-Via: b\n', [], /x-onbehalf-via is there more than once/],
    ['two requests', '', ['a', 'b'], /one request at a time/],
    ['a file that is not there', '', ['missing.txt'], /missing\.txt cannot be read \(ENOENT\)/],
    [
      'links to nowhere',
      'X-Pomerium-Jwt-Assertion-For: a.b.c\nx-onbehalf-via: a.b.c\n',
      [],
      /say by --service who got the request/,
    ],
    [
      'a file without certificates',
      'X-Pomerium-Jwt-Assertion-For: a.b.c\nx-onbehalf-via: a.b.c\n',
      ['--service', 'S1', '--certificates', 'ca.pem'],
      /ca\.pem holds no certificate of an account/,
    ],
    ['another format', '', ['-o', 'yaml'], /-o: must be json/],
  ]
test('wrong use ends with status 2 and says what is wrong', async (t) => {
  const ground = await layOut(t)
  for (const [what, input, args, says] of wrongUses) {
    const { status, stdout, stderr } = await run(ground, input, ...args)
    assert.deepEqual([status, stdout], [2, ''], what)
    assert.match(stderr, says, what)
  }
})
