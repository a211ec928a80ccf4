// `onbehalf validate`, and how flags, environment and file come together.
import assert from 'node:assert/strict'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import { meshOptions, readMesh } from '../../sidecar/mesh-file.ts'
import { validate } from '../../sidecar/cli/validate.ts'

const issuers = `issuers:
  - {name: pomerium, issuer: hostOnly, jwks: https://authenticate.example.com/jwks.json, single_use: true}
`
const appRoute = `routes:
  - {name: App, from: https://app.example.com, to: https://app.internal, allow_any_authenticated_user: true, account: app}
`
const apiRoute = `  - {name: API, from: https://api.example.com, to: https://api.internal, policy: {allow: {or: [{user: app}]}}, aliases: [api]}
`
const services = `services:
  App: {app: "http://127.0.0.1:8080"}
  API: {app: "http://127.0.0.1:8081", calls: []}
`
const oneService = `${issuers}${appRoute}services: {App: {app: "http://127.0.0.1:8080"}}\n`
const twoServices = `${issuers}${appRoute}${apiRoute}${services}`

async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-'))
  t.after(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

async function runValidate(cwd: string, args: string[], env: Record<string, string> = {}) {
  const written = { stdout: '', stderr: '' }
  const status = await validate(args, {
    stdout: { write: (text: string) => void (written.stdout += text) },
    stderr: { write: (text: string) => void (written.stderr += text) },
    env,
    cwd,
  })
  return { status, ...written }
}

test('a sound file is valid, and the summary says what the sidecar will do', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': oneService })
  const { status, stdout, stderr } = await runValidate(cwd, [])
  assert.equal(status, 0)
  assert.equal(stderr, '')
  for (const part of [
    'App',
    '0.0.0.0:15006',
    '127.0.0.1:15001',
    'http://127.0.0.1:8080',
    'app.example.com',
    'every authenticated caller',
    'issuer pomerium',
    'clear text alone',
  ]) {
    assert.ok(stdout.includes(part), `${part} in\n${stdout}`)
  }
})

test('warnings are printed and leave the status at 0', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': `${issuers}${appRoute}` })
  const { status, stderr } = await runValidate(cwd, [])
  assert.equal(status, 0)
  assert.match(stderr, /^onbehalf\.yaml:1:1 services\.App\.app: warning: /)
})

test('each error is a line with its place, the status is 2, and nothing is summarised', async (t) => {
  const cwd = await folderWith(t, {
    'mesh.yaml': oneService.replace('account:', 'acount:').concat('mode: off\n'),
  })
  const { status, stdout, stderr } = await runValidate(cwd, ['--config', 'mesh.yaml'])
  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    'mesh.yaml:4:110 routes[0].acount: Is not a known key; did you mean "account"?',
    'mesh.yaml:6:7 mode: Must be enforce or report.',
  ])
})

test('without --service every service is checked, with one line each', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': twoServices })
  const { status, stdout, stderr } = await runValidate(cwd, [])
  assert.equal(status, 0)
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':', 1)[0]),
    ['App', 'API'],
  )
  assert.equal(stderr.split('\n').filter((line) => line.includes('credential')).length, 1)
})

test('a fault in the entry of any service makes the file invalid', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': twoServices.replace('calls: []', 'calls: [Nobody]') })
  assert.equal((await runValidate(cwd, [])).status, 2)
  assert.equal((await runValidate(cwd, ['--service', 'App'])).status, 0)
  assert.equal((await runValidate(cwd, [], { ONBEHALF_SERVICE: 'API' })).status, 2)
})

test('-o json prints JSON alone, with the problems, also of a faulty file', async (t) => {
  const cwd = await folderWith(t, {
    'onbehalf.yaml': twoServices,
    'faulty.yaml': `${twoServices}mode: off\n`,
  })
  const sound = JSON.parse((await runValidate(cwd, ['-o', 'json', '--service', 'App'])).stdout)
  assert.equal(sound.valid, true)
  assert.deepEqual(sound.services[0].calls, [
    { route: 'API', hosts: ['api.example.com', 'api'], to: 'https://api.internal', via: 'mesh' },
  ])
  const faulty = await runValidate(cwd, ['-o', 'json', '--config', 'faulty.yaml'])
  const answer = JSON.parse(faulty.stdout)
  assert.equal(faulty.status, 2)
  assert.equal(answer.valid, false)
  assert.ok(answer.problems.some((problem: { path: unknown }) => JSON.stringify(problem.path) === '["mode"]'))
})

test('--help shows an example and every flag with its variable', async () => {
  const { status, stdout } = await runValidate('/', ['-h'])
  assert.equal(status, 0)
  assert.match(stdout, /Example:\n {2}onbehalf validate /)
  for (const flag of Object.keys(meshOptions)) {
    assert.ok(stdout.includes(`--${flag} `))
    assert.ok(stdout.includes(`(ONBEHALF_${flag.toUpperCase().replaceAll('-', '_')})`))
  }
})

test('wrong use has status 2 and says where help is', async () => {
  for (const args of [['--confg', 'x'], ['-o', 'xml'], ['extra']]) {
    const { status, stderr, stdout } = await runValidate('/', args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /validate --help/)
  }
})

test('a mesh file that is not there is named by what named it', async (t) => {
  const cwd = await folderWith(t, {})
  assert.match(
    (await runValidate(cwd, [])).stderr,
    /^onbehalf\.yaml: Cannot read onbehalf\.yaml: there is no such file\./,
  )
  assert.match((await runValidate(cwd, ['--config', 'x.yaml'])).stderr, /^--config: Cannot read x\.yaml/)
  assert.match(
    (await runValidate(cwd, [], { ONBEHALF_CONFIG: '.' })).stderr,
    /^ONBEHALF_CONFIG: Cannot read \.: it is a folder/,
  )
})

test('flags win over the environment, the environment over the file, the file over defaults', async (t) => {
  const cwd = await folderWith(t, {
    'onbehalf.yaml': oneService.replace('8080"', '8080", mode: report, log: {level: warn}'),
  })
  const appOf = async (flags: Record<string, string>, env: Record<string, string>) => {
    const { mesh, problems } = await readMesh({ flags, env, cwd })
    assert.ok(mesh, problems.map(formatProblem).join('\n'))
    return [mesh.app?.port, mesh.mode, mesh.log.level, mesh.log.format]
  }
  assert.deepEqual(await appOf({}, {}), [8080, 'report', 'warn', 'auto'])
  const env = { ONBEHALF_APP: 'http://127.0.0.1:9000', ONBEHALF_LOG_LEVEL: 'debug', ONBEHALF_MODE: '' }
  assert.deepEqual(await appOf({}, env), [9000, 'report', 'debug', 'auto'])
  assert.deepEqual(await appOf({ app: 'http://127.0.0.1:9001', mode: 'enforce' }, env), [
    9001,
    'enforce',
    'debug',
    'auto',
  ])
})

test('listening addresses may be several, and a token file is relative to the current folder', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': oneService })
  const flags = { 'listen-inbound': '127.0.0.1:0, [::1]:0', 'admin-token-file': 'token' }
  const { mesh } = await readMesh({ flags, env: {}, cwd })
  assert.deepEqual(mesh?.listen.inbound, [
    { host: '127.0.0.1', port: 0 },
    { host: '::1', port: 0 },
  ])
  assert.equal(mesh.adminTokenFile, join(cwd, 'token'))
})

test('a credential may come by flags and variables alone, relative to the current folder, and so may the drain', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': oneService })
  const ca = await createAuthority({ issuer: 'mesh.example.com', days: 1, nowMs: Date.now() })
  const { certificatePem, keyPem } = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'app',
    dnsNames: [],
    days: 1,
    nowMs: Date.now(),
  })
  const files = { 'ca.pem': ca.certificatePem, 'tls.crt': certificatePem, 'tls.key': keyPem, token: 'a.b.c' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  await mkdir(join(cwd, 'sub'))
  const withCa = `${oneService}mesh: {issuer: mesh.example.com, ca: ../ca.pem}\n`
  await writeFile(join(cwd, 'sub/mesh.yaml'), withCa)
  const flags = { config: 'sub/mesh.yaml', certificate: 'tls.crt', drain: '25s' }
  const env = { ONBEHALF_KEY: 'tls.key', ONBEHALF_TOKEN_FILE: 'token', ONBEHALF_DRAIN_DELAY: '5s' }
  const { mesh, problems } = await readMesh({ flags, env, cwd })
  assert.deepEqual(problems.map(formatProblem), [])
  assert.deepEqual(mesh?.credential, {
    certificateFile: join(cwd, 'tls.crt'),
    keyFile: join(cwd, 'tls.key'),
    tokenFile: join(cwd, 'token'),
  })
  assert.deepEqual([mesh.timeouts.drainMs, mesh.timeouts.drainDelayMs], [25_000, 5_000])
})

test('a file that a flag or variable names and that cannot be used is reported as that', async (t) => {
  const cwd = await folderWith(t, {
    'onbehalf.yaml': `${oneService}mesh: {issuer: mesh.example.com, ca: ca.pem}\n`,
    'ca.pem': 'x',
  })
  const env = { ONBEHALF_KEY: 'tls.key', ONBEHALF_DRAIN: 'soon' }
  const { status, stderr } = await runValidate(cwd, ['--certificate', 'tls.crt'], env)
  assert.equal(status, 2)
  for (const line of [
    `--certificate: Cannot read ${join(cwd, 'tls.crt')}: there is no such file.`,
    `ONBEHALF_KEY: Cannot read ${join(cwd, 'tls.key')}: there is no such file.`,
  ])
    assert.ok(stderr.split('\n').includes(line), stderr)
  assert.match(stderr, /^ONBEHALF_DRAIN: Must be a duration/m)
})

test('a faulty override is reported as its flag or its variable', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': oneService })
  const { stderr, status } = await runValidate(cwd, ['--app', '8080', '--service', 'Ap'], {
    ONBEHALF_LISTEN_ADMIN: 'all',
  })
  assert.equal(status, 2)
  const lines = stderr.trimEnd().split('\n')
  assert.ok(
    lines.some((line) => line.startsWith('--app: Must be a URL')),
    stderr,
  )
  assert.ok(lines.includes('--service: No route belongs to a service "Ap"; did you mean "App"?'), stderr)
  assert.ok(
    lines.some((line) => line.startsWith('ONBEHALF_LISTEN_ADMIN: Must be an IP address')),
    stderr,
  )
})

test('a variable that nobody reads is a warning, but not what Kubernetes sets', async (t) => {
  const cwd = await folderWith(t, { 'onbehalf.yaml': oneService })
  const env = {
    ONBEHALF_CONFG: 'x',
    ONBEHALF_SERVICE_HOST: '10.0.0.1',
    ONBEHALF_SERVICE_PORT: '80',
    ONBEHALF_SERVICE_PORT_HTTP: '80',
    ONBEHALF_PORT: 'tcp://10.0.0.1:80',
    ONBEHALF_PORT_80_TCP_ADDR: '10.0.0.1',
    ONBEHALF_APP_PROBES: '{}',
    ONBEHALF_POD_IP: '10.1.1.1',
    ONBEHALF_PRELOAD_DIR: '/opt/onbehalf',
    OTHER: '1',
  }
  const { status, stderr } = await runValidate(cwd, [], env)
  assert.equal(status, 0)
  assert.equal(
    stderr,
    'ONBEHALF_CONFG: warning: Is no variable that is read; did you mean "ONBEHALF_CONFIG"?\n',
  )
})

test('files that the mesh refers to must be there, relative to the mesh file', async (t) => {
  const credential = '{certificate: app.pem, key: keys}'
  const text = `${issuers}mesh: {issuer: mesh.example.com, ca: ca.pem}\n${appRoute}services:\n  App:\n    app: http://127.0.0.1:8080\n    credential: ${credential}\n`
  const cwd = await folderWith(t, { 'app.pem': 'x' })
  await mkdir(join(cwd, 'keys'))
  await mkdir(join(cwd, 'sub'))
  await writeFile(join(cwd, 'onbehalf.yaml'), text)
  await writeFile(
    join(cwd, 'sub/mesh.yaml'),
    text.replaceAll('app.pem', '../app.pem').replace('ca.pem', '../app.pem').replace('keys', '../app.pem'),
  )
  const { status, stderr } = await runValidate(cwd, [])
  assert.equal(status, 2)
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    `onbehalf.yaml:3:38 mesh.ca: Cannot read ${join(cwd, 'ca.pem')}: there is no such file.`,
    `onbehalf.yaml:9:45 services.App.credential.key: Cannot read ${join(cwd, 'keys')}: it is not a file.`,
  ])
  assert.equal((await readMesh({ flags: {}, env: {}, cwd })).mesh, undefined)
  const found = await runValidate(cwd, ['--config', 'sub/mesh.yaml'])
  assert.doesNotMatch(found.stderr, /Cannot read/)
})

test('files that are there must hold what they are for, and each fault has the place of its key', async (t) => {
  const credential = '{certificate: app.pem, key: app-key.pem, token_file: token}'
  const text = `${issuers}mesh: {issuer: mesh.example.com, ca: ca.pem}\n${appRoute}services:\n  App:\n    app: http://127.0.0.1:8080\n    credential: ${credential}\n`
  const files = {
    'onbehalf.yaml': text,
    'ca.pem': 'x',
    'app.pem': 'x',
    'app-key.pem': 'x',
    token: 'no token',
  }
  const { status, stderr } = await runValidate(await folderWith(t, files), [])
  assert.equal(status, 2)
  assert.match(stderr, /^onbehalf\.yaml:3:38 mesh\.ca: .*ca\.pem: the CA file holds no certificate in PEM/m)
  assert.match(stderr, /^onbehalf\.yaml:9:\d+ services\.App\.credential\.token_file: .*must hold one JWT/m)
})
