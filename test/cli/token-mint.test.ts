// `onbehalf token mint`: the assertion that a sidecar would attach, for a call made by hand.
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { runToken, verdictIn, verifyIn } from './token-run.ts'

const layOut = (t: TestContext, options: MeshOptions = {}) => startMesh(t, { ...options, run: [] })

function mintIn(mesh: TestMesh, service: string, ...args: string[]) {
  return runToken(['mint', '--config', mesh.meshFile, '--service', service, ...args])
}

test('the token alone is printed, and a running sidecar accepts it', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const { status, stdout, stderr } = await mintIn(mesh, 'App', '--route', 'API')
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const headers = ['X-Pomerium-Jwt-Assertion', stdout.trim()]
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).status, 200)
  assert.equal(mesh.apps.API.received.length, 1)
})

test('what is minted is verified as what it is', async (t) => {
  const mesh = await layOut(t)
  const { stdout } = await mintIn(mesh, 'App', '--audience', hosts.API)
  const verdict = await verdictIn(mesh, 'API', stdout)
  const { answer, caller, route } = verdict
  assert.deepEqual(
    [answer, caller?.kind, caller?.subject, route],
    ['accepted', 'service_account', 'api-access', 'API'],
  )
  assert.equal((await verdictIn(mesh, 'Ledger', stdout)).refusal?.code, 'assertion_audience')
})

test('-o json says besides as whom, for whom, until when and in which header', async (t) => {
  const mesh = await layOut(t)
  const { status, stdout } = await mintIn(mesh, 'App', '--route', 'API', '-o', 'json')
  const { token, expires_at: expiresAt, ...others } = JSON.parse(stdout) as Record<string, string>
  assert.equal(status, 0)
  assert.deepEqual(others, { account: 'api-access', audience: hosts.API, header: 'X-Pomerium-Jwt-Assertion' })
  assert.equal((await verdictIn(mesh, 'API', token as string)).answer, 'accepted')
  const late = await verifyIn(
    mesh,
    'API',
    token as string,
    '--at',
    String(Date.parse(expiresAt as string) / 1000 + 60),
  )
  assert.match(late.stdout, /assertion_expired/)
})

test("a route that is not in the service's calls is warned of, and minted for", async (t) => {
  const mesh = await layOut(t, { services: { App: { calls: ['API'] } } })
  const { status, stdout, stderr } = await mintIn(mesh, 'App', '--route', 'Ledger')
  assert.equal(status, 0)
  assert.equal(stdout.split('.').length, 3)
  assert.match(stderr, /warning: App's own sidecar would refuse this call: route Ledger is not in its calls/)
})

test('a route that is called on behalf of users only is warned of', async (t) => {
  const mesh = await layOut(t, { routes: { API: { original_user: 'required' } } })
  const { status, stderr } = await mintIn(mesh, 'App', '--route', 'API')
  assert.equal(status, 0)
  assert.match(
    stderr,
    /warning: route API is called on behalf of a user only: send X-Pomerium-Jwt-Assertion-For/,
  )
})

test('of several routes of a host, one that takes minted assertions counts', async (t) => {
  const from = `https://${hosts.API}`
  const more = {
    name: 'API by Pomerium',
    from,
    to: 'http://127.0.0.1:9',
    service: 'API',
    via: 'pomerium',
    prefix: '/x/',
  }
  const mesh = await layOut(t, {
    routes: { API: { prefix: '/y/' } },
    moreRoutes: [more],
    services: {
      App: { credential: { certificate: 'api-access.pem', key: 'api-access-key.pem', token_file: 'token' } },
    },
    files: { token: 'YQ.YQ.YQ' },
  })
  assert.equal((await mintIn(mesh, 'App', '--audience', hosts.API)).status, 0)
  const named = await mintIn(mesh, 'App', '--route', 'API by Pomerium')
  assert.equal(named.status, 2)
  assert.match(
    named.stderr,
    /by way of a Pomerium \(via: pomerium\): nothing is minted for it.*credential\.token_file/,
  )
})

interface Wrong {
  readonly name: string
  readonly service: string
  readonly args: readonly string[]
  readonly says: RegExp
  readonly mesh?: MeshOptions
}

const wrong: readonly Wrong[] = [
  {
    name: 'a service without a certificate',
    service: 'Ledger',
    args: ['--route', 'API'],
    says: /Ledger has no certificate to mint with: .*services\.Ledger\.credential\.certificate and no services\.Ledger\.credential\.key/,
  },
  {
    name: 'a mesh file without a mesh',
    service: 'App',
    args: ['--route', 'API'],
    mesh: { settings: { mesh: undefined } },
    says: /mesh/,
  },
  { name: 'no route', service: 'App', args: [], says: /say which route is called, .*API \(api\.localhost/ },
  {
    name: 'a route and an audience',
    service: 'App',
    args: ['--route', 'API', '--audience', hosts.API],
    says: /by --route or by --audience/,
  },
  {
    name: 'a misspelt route',
    service: 'App',
    args: ['--route', 'Api'],
    says: /no route "Api"; did you mean "API"\?/,
  },
  {
    name: 'an unknown host',
    service: 'App',
    args: ['--audience', 'x.example.com'],
    says: /no route has the host "x\.example/,
  },
  {
    name: 'an alias',
    service: 'App',
    args: ['--audience', 'api'],
    mesh: { routes: { API: { aliases: ['api'] } } },
    says: /"api" is an alias of route API; .*--audience api\.localhost\.pomerium\.io/,
  },
  { name: 'a word too many', service: 'App', args: ['API'], says: /"API" is one word too many/ },
]

for (const { name, service, args, says, mesh: options } of wrong) {
  test(`${name} is wrong use, in words, with nothing on standard output`, async (t) => {
    const mesh = await layOut(t, options)
    const { status, stdout, stderr } = await mintIn(mesh, service, ...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, says)
  })
}

test('a key that is not there, or is none of the certificate, is named with its place', async (t) => {
  const mesh = await layOut(t)
  const other = await mesh.certified('api-access')
  await writeFile(join(mesh.folder, 'api-access-key.pem'), other.keyPem)
  const foreign = await mintIn(mesh, 'App', '--route', 'API')
  assert.equal(foreign.status, 2)
  assert.match(foreign.stderr, /credential\.certificate: .*the key does not match the certificate/)
  assert.doesNotMatch(foreign.stderr, /PRIVATE/)
  await rm(join(mesh.folder, 'api-access-key.pem'))
  const missing = await mintIn(mesh, 'App', '--route', 'API')
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /mesh\.json:\d+:\d+ services\.App\.credential\.key: Cannot read/)
})
