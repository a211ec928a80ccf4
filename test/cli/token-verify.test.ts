// `onbehalf token verify`: what it says of a token that is accepted, and where keys, times and tokens come from.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { identityNames } from '../support/app.ts'
import { send } from '../support/client.ts'
import { linkByHand } from '../support/links.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { runToken, secretParts, verdictIn, verifyIn } from './token-run.ts'

/** A mesh file with all that it names; no sidecar runs. */
const layOut = (t: TestContext, options: MeshOptions = {}) => startMesh(t, { ...options, run: [] })
const nowSeconds = () => Math.floor(Date.now() / 1000)

async function keysFile(mesh: TestMesh, name = 'jwks.json'): Promise<string> {
  const answer = await fetch(mesh.pomerium.jwksUrl)
  await writeFile(join(mesh.folder, name), await answer.text())
  return name
}

test("a user's token is accepted: as whom, by which route and rule, and with which headers for the app", async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const verdict = await verdictIn(mesh, 'App', token)
  await send({ port: mesh.sidecars.App.inbound, headers: ['X-Pomerium-Jwt-Assertion', token] })
  assert.deepEqual([verdict.answer, verdict.status, verdict.refusal], ['accepted', 0, undefined])
  const { caller, route, policy, app_headers: headers = [] } = verdict
  assert.deepEqual(
    [caller?.kind, caller?.issuer, caller?.subject, caller?.email],
    ['user', 'pomerium', 'alice-id', 'alice@companydomain.com'],
  )
  assert.deepEqual([route, policy, verdict.original_user], ['App', 'allow[0].or domain', undefined])
  assert.deepEqual(
    headers.map((name) => name.toLowerCase()),
    identityNames(mesh.apps.App.received[0]),
  )
})

test('an account that calls on behalf of a user is accepted, with the user', async (t) => {
  const mesh = await startMesh(t, { run: ['API'], routes: { API: { original_user: 'required' } } })
  const token = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const via = await linkByHand(mesh, { account: 'api-access', to: 'API', token: user })
  const { status, stdout } = await verifyIn(mesh, 'API', token, '--for', user, '--via', via)
  await send({
    port: mesh.sidecars.API.inbound,
    headers: ['X-Pomerium-Jwt-Assertion', token, 'X-Pomerium-Jwt-Assertion-For', user, 'x-onbehalf-via', via],
  })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^ACCEPTED by the sidecar of API\n/)
  assert.match(
    stdout,
    /caller +service account api-access \(issuer mesh\): issued \d+ s ago, expires in \d+ s\n/,
  )
  assert.match(stdout, /original user +user alice-id, alice@companydomain\.com \(issuer pomerium\): issued/)
  const shown = /the app gets +(.*)/.exec(stdout)?.[1]?.toLowerCase().split(', ')
  assert.deepEqual(shown, identityNames(mesh.apps.API.received[0]))
  for (const part of [token, user, via].flatMap(secretParts)) assert.ok(!stdout.includes(part))
})

test('what only a running sidecar knows is said not to have been consulted', async (t) => {
  const mesh = await layOut(t, { issuer: { single_use: true } })
  const verdict = await verdictIn(mesh, 'App', await mesh.pomerium.assertion('alice', hosts.App))
  const states = new Map(verdict.checks.map(({ name, state }) => [name, state]))
  assert.deepEqual([states.get('revocation'), states.get('single use')], ['not_consulted', 'not_consulted'])
  assert.match(verdict.notes.join('\n'), /revocations, single use and replay .* were not consulted/)
  assert.match(verdict.notes.join('\n'), /single_use: presented a second time/)
})

test('a service in mode report is said to let the refused request through', async (t) => {
  const mesh = await layOut(t, { settings: { mode: 'report' } })
  const verdict = await verdictIn(mesh, 'App', await mesh.pomerium.assertion('alice', hosts.Ledger))
  assert.deepEqual([verdict.answer, verdict.status], ['refused', 1])
  assert.match(verdict.notes.join('\n'), /mode report: .* lets the request through/)
})

test('a dead issuer is no verdict on the token: it cannot be verified now', async (t) => {
  const [port] = await freePorts(1)
  const mesh = await layOut(t, { issuer: { jwks: `http://127.0.0.1:${port}/jwks.json` } })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const verdict = await verdictIn(mesh, 'App', token)
  assert.deepEqual([verdict.answer, verdict.status], ['cannot_tell', 2])
  assert.deepEqual([verdict.refusal?.status, verdict.refusal?.code], [503, 'keys_unavailable'])
  assert.ok(verdict.checks.every(({ state }) => state !== 'failed'))
  const { stdout } = await verifyIn(mesh, 'App', token)
  assert.match(stdout, /^CANNOT BE VERIFIED NOW: keys_unavailable/)
  assert.match(
    stdout,
    new RegExp(`issuer pomerium, http://127\\.0\\.0\\.1:${port}/jwks\\.json: connect ECONNREFUSED`),
  )
  assert.match(stdout, /CANNOT TELL +key/)
  assert.match(stdout, /unverified, the token says: aud "app\.localhost\.pomerium\.io", issued \d+ s ago/)
  assert.doesNotMatch(stdout, /REFUSED by|FAILED|invalid/)
})

test("an original user whose issuer is dead cannot be verified now, though the caller's account can", async (t) => {
  const mesh = await layOut(t)
  mesh.pomerium.failJwks('status')
  const token = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const verdict = await verdictIn(
    mesh,
    'API',
    token,
    '--for',
    await mesh.pomerium.assertion('alice', hosts.App),
  )
  assert.equal(verdict.answer, 'cannot_tell')
  assert.equal(verdict.caller?.subject, 'api-access')
  assert.deepEqual(
    verdict.checks.filter(({ state }) => state === 'cannot_tell').map(({ of, name }) => [of, name]),
    [['original_user', 'key']],
  )
  assert.match(verdict.refusal?.found ?? '', /the issuer answered with status 5\d\d/)
})

test('--offline fetches nothing, and says that keys are missing', async (t) => {
  const mesh = await layOut(t)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const verdict = await verdictIn(mesh, 'App', token, '--offline')
  assert.equal(mesh.pomerium.jwksFetches(), 0)
  assert.deepEqual([verdict.answer, verdict.status], ['cannot_tell', 2])
  assert.match(verdict.refusal?.found ?? '', /keys unavailable \(offline\).*--keys pomerium=FILE/)
})

test('keys from a file serve offline', async (t) => {
  const mesh = await layOut(t)
  const file = await keysFile(mesh)
  const fetches = mesh.pomerium.jwksFetches()
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  for (const given of [file, `pomerium=${file}`]) {
    const verdict = await verdictIn(mesh, 'App', token, '--offline', '--keys', given)
    assert.equal(verdict.answer, 'accepted')
    assert.deepEqual(
      verdict.keys.map(({ source, kids }) => [source, kids]),
      [[join(mesh.folder, file), [mesh.pomerium.signingKey().kid]]],
    )
  }
  assert.equal(mesh.pomerium.jwksFetches(), fetches)
})

test('with several issuers a file says whose it is, and the others are asked', async (t) => {
  const other = await startPomerium({ users: { eve: { sub: 'eve-id', email: 'eve@companydomain.com' } } })
  t.after(() => other.close())
  const mesh = await layOut(t)
  await mesh.writeMeshFile((file) => {
    file.issuers.push({ name: 'other', issuer: ['other'], jwks: other.jwksUrl })
  })
  const alice = await mesh.pomerium.assertion('alice', hosts.App)
  const eve = await other.sign({ ...other.claims('eve', hosts.App), iss: 'other' })
  const file = await keysFile(mesh)
  const unnamed = await verifyIn(mesh, 'App', alice, '--keys', file)
  assert.equal(unnamed.status, 2)
  assert.match(
    unnamed.stderr,
    /say whose keys they are, as in --keys pomerium=jwks\.json; the issuers are pomerium, other/,
  )
  const named = ['--keys', `pomerium=${file}`]
  assert.equal((await verdictIn(mesh, 'App', alice, ...named)).answer, 'accepted')
  assert.equal(other.jwksFetches(), 0)
  const verdict = await verdictIn(mesh, 'App', eve, ...named)
  assert.deepEqual([verdict.answer, verdict.caller?.issuer], ['accepted', 'other'])
  assert.equal(other.jwksFetches(), 1)
})

test('a file of keys that is none is wrong use, even where it is not needed', async (t) => {
  const mesh = await layOut(t, { files: { 'page.html': '<html>' } })
  for (const [file, words] of [
    ['page.html', /issuer pomerium cannot be read from .*page\.html: the key set is not JSON/],
    ['nowhere.json', /nowhere\.json: there is no such file/],
  ] as const) {
    const { status, stdout, stderr } = await verifyIn(mesh, 'App', 'YQ.YQ.YQ', '--keys', file)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, words)
  }
})

test('an account is verified by mesh.ca alone: no issuer is asked', async (t) => {
  const mesh = await layOut(t)
  const token = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const verdict = await verdictIn(mesh, 'API', token)
  assert.equal(verdict.answer, 'accepted')
  assert.deepEqual(verdict.keys, [])
  assert.equal(mesh.pomerium.jwksFetches(), 0)
})

test("keys are fetched under the issuer's own CA, and not without it", async (t) => {
  const nowMs = Date.now()
  const authority = await createAuthority({ issuer: 'keys.example.com', days: 1, nowMs })
  const { certificatePem: cert, keyPem: key } = await issueAccount({
    caPem: authority.certificatePem,
    caKeyPem: authority.keyPem,
    issuer: undefined,
    account: 'keys',
    dnsNames: ['localhost'],
    days: 1,
    nowMs,
  })
  const signer = await layOut(t)
  const document = JSON.stringify({ keys: [signer.pomerium.signingKey().jwk] })
  const server = createServer({ cert, key }, (_, response) => response.end(document)).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const jwks = `https://localhost:${(server.address() as AddressInfo).port}/jwks.json`
  const token = await signer.pomerium.assertion('alice', hosts.App)
  const files = { 'issuer-ca.pem': authority.certificatePem }
  const trusting = await layOut(t, { issuer: { jwks, ca: 'issuer-ca.pem' }, files })
  assert.equal((await verdictIn(trusting, 'App', token)).answer, 'accepted')
  const without = await verdictIn(await layOut(t, { issuer: { jwks } }), 'App', token)
  assert.equal(without.answer, 'cannot_tell')
  assert.match(without.refusal?.found ?? '', /certificate/)
})

test("neither the service's key nor its key sets must be there, the CAs must", async (t) => {
  const mesh = await layOut(t, { issuer: { jwks: 'not-here.json' } })
  const file = await keysFile(mesh)
  for (const name of ['api-access.pem', 'api-access-key.pem']) await rm(join(mesh.folder, name))
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  assert.equal((await verdictIn(mesh, 'App', token, '--keys', file)).answer, 'accepted')
  const withoutKeys = await verifyIn(mesh, 'App', token)
  assert.equal(withoutKeys.status, 2)
  assert.match(withoutKeys.stderr, /not-here\.json: there is no such file. Give --keys pomerium=FILE/)
  await rm(join(mesh.folder, 'ca.pem'))
  const withoutCa = await verifyIn(mesh, 'App', token, '--keys', file)
  assert.equal(withoutCa.status, 2)
  assert.match(withoutCa.stderr, /mesh\.json:\d+:\d+ mesh\.ca: Cannot read .*ca\.pem/)
})

test('clocks may differ by a minute, and it is said that they do', async (t) => {
  const mesh = await layOut(t)
  const iat = nowSeconds()
  const token = await mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), iat, exp: iat + 300 })
  const at = (seconds: number) => verdictIn(mesh, 'App', token, '--at', String(iat + seconds))
  const early = await at(-50)
  assert.equal(early.answer, 'accepted')
  assert.match(
    early.caller?.validity ?? '',
    /issued 50 s in the future, which sidecars let pass: 60 s are allowed for/,
  )
  assert.equal((await at(-95)).refusal?.code, 'assertion_not_yet_valid')
  assert.match((await at(-95)).refusal?.found ?? '', /issued 95 s in the future;/)
  const late = await at(345)
  assert.equal(late.answer, 'accepted')
  assert.match(late.caller?.validity ?? '', /expired 45 s ago, which sidecars let pass/)
  assert.equal((await at(365)).refusal?.code, 'assertion_expired')
})

test('--at takes ISO 8601 too, and asks with the keys of today', async (t) => {
  const mesh = await layOut(t)
  const then = Date.UTC(2030, 0, 15, 3, 12) / 1000
  const token = await mesh.pomerium.sign({
    ...mesh.pomerium.claims('alice', hosts.App),
    iat: then,
    exp: then + 300,
  })
  for (const at of ['2030-01-15T03:12:00Z', '2030-01-15T04:12+01:00', String(then)]) {
    const verdict = await verdictIn(mesh, 'App', token, '--at', at)
    assert.deepEqual([verdict.answer, verdict.at], ['accepted', '2030-01-15T03:12:00Z'])
  }
})

test("a certificate's time is that of --at", async (t) => {
  const mesh = await layOut(t)
  const token = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const verdict = await verdictIn(mesh, 'API', token, '--at', String(nowSeconds() + 3 * 86_400))
  assert.equal(verdict.refusal?.code, 'assertion_key_unknown')
  assert.match(verdict.refusal?.found ?? '', /api-access, expired 2 days ago: a certificate has expired/)
})

test('--from says where the request comes from', async (t) => {
  const mesh = await layOut(t, { issuer: { edges: { source_ip: ['10.0.0.0/8', 'fd00::/8'] } } })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const answer = async (from: string) => (await verdictIn(mesh, 'App', token, '--from', from)).answer
  assert.equal(await answer('10.1.2.3'), 'accepted')
  assert.equal(await answer('::ffff:10.1.2.3'), 'accepted')
  assert.equal(await answer('fd00::1'), 'accepted')
  assert.equal(await answer('192.0.2.7'), 'refused')
})

test('--path and --method are what routes and policies see', async (t) => {
  const policy = [
    { allow: { and: [{ http_method: { is: 'GET' } }, { http_path: { starts_with: '/reports/' } }] } },
  ]
  const mesh = await layOut(t, { routes: { App: { policy } } })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const answer = async (...args: string[]) => (await verdictIn(mesh, 'App', token, ...args)).answer
  assert.equal(await answer('--path', '/reports/1?as=pdf'), 'accepted')
  assert.equal(await answer('--path', '/reports/1', '--method', 'POST'), 'refused')
  assert.equal(await answer(), 'refused')
})

test('the token comes from an argument, a file or standard input, also as the line of a header', async (t) => {
  const mesh = await layOut(t)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  await writeFile(join(mesh.folder, 'token'), `${token}\n`)
  const args = ['verify', '--config', mesh.meshFile, '--service', 'App', '-o', 'json']
  const around = { cwd: mesh.folder }
  for (const outcome of [
    await runToken([...args, token], around),
    await runToken([...args, '@token'], around),
    await runToken(args, { ...around, input: ` ${token}\r\n` }),
    await runToken([...args, '-'], { ...around, input: `X-Pomerium-Jwt-Assertion: ${token}\r\n` }),
  ]) {
    assert.equal(outcome.status, 0, outcome.stdout)
  }
})

const subject = ({ stdout }: { stdout: string }) => JSON.parse(stdout).original_user.subject as string

test('the -For comes from a file or standard input as well, but not both tokens from the latter', async (t) => {
  const mesh = await layOut(t)
  const token = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const user = await mesh.pomerium.assertion('alice', hosts.App)
  const via = await linkByHand(mesh, { account: 'api-access', to: 'API', token: user })
  await writeFile(join(mesh.folder, 'user'), user)
  await writeFile(join(mesh.folder, 'via'), `x-onbehalf-via: ${via}\n`)
  const args = ['verify', '--config', mesh.meshFile, '--service', 'API', '-o', 'json', '--via', '@via']
  const around = { cwd: mesh.folder }
  assert.equal(subject(await runToken([...args, '--for', '@user', token], around)), 'alice-id')
  assert.equal(
    subject(await runToken([...args, '--for', '-', token], { ...around, input: user })),
    'alice-id',
  )
  const both = await runToken([...args, '--for', '-'], { ...around, input: user })
  assert.deepEqual([both.status, both.stdout], [2, ''])
  assert.match(both.stderr, /only one of the two tokens/)
})

test('the environment names mesh file and service, and flags win', async (t) => {
  const mesh = await layOut(t)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const around = { cwd: '/', env: { ONBEHALF_CONFIG: mesh.meshFile, ONBEHALF_SERVICE: 'App' } }
  assert.equal((await runToken(['verify', token], around)).status, 0)
  assert.equal((await runToken(['verify', '--service', 'API', token], around)).status, 1)
})

test('wrong use ends with status 2, says what is wrong, and leaves standard output empty', async (t) => {
  const mesh = await layOut(t)
  const wrong: readonly (readonly [args: readonly string[], words: RegExp])[] = [
    [['a.b.c', 'd.e.f'], /one token at a time/],
    [['@nowhere'], /nowhere cannot be read \(ENOENT\)/],
    [[''], /the argument holds no token/],
    [['a', '--at', 'yesterday'], /"yesterday" is no time/],
    [['a', '--at', '2026-01-15T12:00:00'], /does not say its zone: give 2026-01-15T12:00:00Z/],
    [['a', '--at', '1795381342000'], /seconds \(not milliseconds\)/],
    [['a', '--at', '2026-02-30'], /is no time/],
    [['a', '--from', 'localhost'], /"localhost" is no IP address/],
    [['a', '--path', 'orders'], /--path: "orders" cannot be sent/],
    [['a', '--method', 'GET /'], /is no method/],
    [['a', '-o', 'yaml'], /-o: must be json/],
    [['a', '--kez', 'x'], /--kez/],
    [['a', '--offline', '--keys', 'live'], /--keys live is what is done without/],
    [['a', '--keys', 'a.json', '--keys', 'pomerium=b.json'], /two files for issuer pomerium/],
  ]
  for (const [args, words] of wrong) {
    const { status, stdout, stderr } = await verifyIn(mesh, 'App', ...args)
    assert.deepEqual([status, stdout], [2, ''], stderr)
    assert.match(stderr, words)
    assert.match(stderr, /See onbehalf token verify --help\.\n$/)
  }
})

test('a mesh file with problems ends with status 2, each with its place', async (t) => {
  const mesh = await layOut(t, { settings: { mode: 'off' } })
  const { status, stdout, stderr } = await verifyIn(mesh, 'App', 'a.b.c')
  assert.deepEqual([status, stdout], [2, ''])
  assert.match(stderr, /^\S*mesh\.json:\d+:\d+ mode: Must be enforce or report\.\n$/)
  const unnamed = await runToken(['verify', '--config', mesh.meshFile, 'a.b.c'])
  assert.match(unnamed.stderr, /the services App, API, Ledger; say by --service/)
})
