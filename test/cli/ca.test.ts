// `onbehalf ca`: the certificates that it makes, the files that it writes, and what it says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { build } from 'esbuild'
import type { Authority } from '../../shared/certificate/chain.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import type { AccountRequest, AuthorityRequest, Certified } from '../../sidecar/ca.ts'
import { ca } from '../../sidecar/cli/ca.ts'
import { CredentialFault, parseRoots, readAccountCredential } from '../../sidecar/credential/files.ts'
import { clockMs, makeRoot } from '../support/certificates.ts'

const dayMs = 86_400_000
const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0

let directory = ''
beforeEach(async () => {
  mock.timers.enable({ apis: ['Date'], now: clockMs })
  directory = await mkdtemp(join(tmpdir(), 'onbehalf-ca-'))
})
afterEach(async () => {
  mock.timers.reset()
  await rm(directory, { recursive: true })
})

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(...args: string[]): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  const status = await ca(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    env: {},
    cwd: directory,
  })
  return { status, stdout, stderr }
}

async function runWell(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args)
  assert.equal(stderr, '')
  assert.equal(status, 0)
  return stdout
}

async function refuses(words: RegExp, ...args: string[]): Promise<void> {
  const before = await readdir(directory)
  const { status, stdout, stderr } = await run(...args)
  assert.match(stderr, words)
  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.deepEqual(await readdir(directory), before)
}

const text = (name: string): Promise<string> => readFile(join(directory, name), 'utf8')
const certificate = async (name: string): Promise<X509Certificate> => new X509Certificate(await text(name))
const modeOf = async (name: string): Promise<number> => (await stat(join(directory, name))).mode & 0o777

/** Reads the files as a sidecar of the mesh does. */
async function readAs(account: string, base: string, caFile = 'ca.pem') {
  const authority: Authority = {
    name: 'mesh',
    issuer: 'mesh.example.com',
    accounts: new Set([account]),
    roots: parseRoots(await text(caFile)),
  }
  return readAccountCredential({
    certificatePem: await text(`${base}.pem`),
    keyPem: await text(`${base}-key.pem`),
    authority,
    accounts: authority.accounts,
    nowMs: clockMs,
  })
}

describe('onbehalf ca init', () => {
  test('writes a root, and its key for its owner alone', async () => {
    const said = await runWell('init', '--issuer', 'mesh.example.com')
    assert.deepEqual(await readdir(directory), ['ca-key.pem', 'ca.pem'])
    assert.equal(await modeOf('ca-key.pem'), 0o600)
    assert.match(said, /Wrote ca\.pem and ca-key\.pem, valid until 2036-01-13/)
    assert.match(said, /mesh: \{issuer: mesh\.example\.com, ca: ca\.pem\}/)
  })

  test('writes into the directory that --out names, making it', async () => {
    const said = await runWell('init', '--issuer', 'mesh.example.com', '--out', 'a/b', '--days', '1')
    // Names in a mesh file are relative to it.
    assert.match(said, /In a mesh file beside them:\n {2}mesh: .*, ca: ca\.pem\}/)
    const root = await certificate('a/b/ca.pem')
    assert.equal(root.validToDate.getTime(), clockMs + dayMs)
  })

  test('overwrites nothing without --force', async () => {
    await runWell('init', '--issuer', 'mesh.example.com')
    const before = await text('ca-key.pem')
    await refuses(/ca\.pem exists already; --force overwrites it/, 'init', '--issuer', 'mesh.example.com')
    assert.equal(await text('ca-key.pem'), before)
    await rm(join(directory, 'ca.pem'))
    await refuses(/ca-key\.pem exists already/, 'init', '--issuer', 'mesh.example.com')
    assert.equal(await text('ca-key.pem'), before)
  })

  test('overwrites with --force, and the key stays for its owner alone', async () => {
    await writeFile(join(directory, 'ca-key.pem'), 'old', { mode: 0o644 })
    await runWell('init', '--issuer', 'mesh.example.com', '--force')
    assert.match(await text('ca-key.pem'), /BEGIN PRIVATE KEY/)
    assert.equal(await modeOf('ca-key.pem'), 0o600)
  })

  test('needs an issuer that can be one', async () => {
    await refuses(/--issuer is missing[\s\S]*--help/, 'init')
    for (const issuer of ['https://mesh.example.com', 'Mesh.example.com', 'mesh:443', '']) {
      await refuses(/cannot be a mesh issuer: give a name in lower case/, 'init', '--issuer', issuer)
    }
  })

  test('refuses days that are no number of days', async () => {
    for (const days of ['0', '-1', '1.5', 'x', '', '36501']) {
      await refuses(/--days/, 'init', '--issuer', 'mesh.example.com', `--days=${days}`)
    }
  })

  test('refuses what it does not know', async () => {
    await refuses(/--isuer/, 'init', '--isuer', 'x')
    await refuses(/"more" is one word too many/, 'init', 'more', '--issuer', 'mesh.example.com')
  })

  test('says what is wrong with a directory that cannot be made', async () => {
    await writeFile(join(directory, 'file'), '')
    await refuses(/file.* cannot be used/, 'init', '--issuer', 'mesh.example.com', '--out', 'file/x')
  })
})

describe('onbehalf ca issue', () => {
  beforeEach(() => runWell('init', '--issuer', 'mesh.example.com'))

  test('certifies an account, as sidecars read it', async () => {
    const said = await runWell('issue', 'api-access')
    assert.match(said, /Wrote api-access\.pem and api-access-key\.pem, valid until 2026-04-15/)
    assert.match(said, /credential: \{certificate: api-access\.pem, key: api-access-key\.pem\}/)
    assert.equal(await modeOf('api-access-key.pem'), 0o600)
    assert.equal((await readAs('api-access', 'api-access')).account, 'api-access')
  })

  test('names the files of an account with slashes by dashes', async () => {
    await runWell('issue', 'ns/shop/sa/app')
    assert.equal((await readAs('ns/shop/sa/app', 'ns-shop-sa-app')).account, 'ns/shop/sa/app')
  })

  test('reads the CA from --ca and writes to --out under --name', async () => {
    await runWell('init', '--issuer', 'mesh.example.com', '--out', 'authority')
    const names = ['--ca', 'authority', '--out', 'keys', '--name', 'app']
    const said = await runWell('issue', 'api-access', ...names, '--days', '2')
    assert.match(
      said,
      /beside them, at the service:\n {2}credential: \{certificate: app\.pem, key: app-key\.pem\}/,
    )
    const credential = await readAs('api-access', 'keys/app', 'authority/ca.pem')
    assert.equal(credential.notAfterMs, clockMs + 2 * dayMs)
  })

  test('adds DNS names beside the SPIFFE id', async () => {
    await runWell('issue', 'api-access', '--dns', 'app.example.com', '--dns', '*.shop.svc')
    assert.equal(
      (await certificate('api-access.pem')).subjectAltName,
      'URI:spiffe://mesh.example.com/api-access, DNS:app.example.com, DNS:*.shop.svc',
    )
  })

  test('takes another issuer from --issuer', async () => {
    await runWell('issue', 'api-access', '--issuer', 'other.example.com')
    assert.match((await certificate('api-access.pem')).subjectAltName ?? '', /other\.example\.com/)
  })

  test('overwrites nothing without --force', async () => {
    await runWell('issue', 'api-access')
    const before = await text('api-access-key.pem')
    await refuses(/api-access\.pem exists already; --force/, 'issue', 'api-access')
    await runWell('issue', 'api-access', '--force')
    assert.notEqual(await text('api-access-key.pem'), before)
    assert.equal((await readAs('api-access', 'api-access')).account, 'api-access')
  })

  test('never overwrites the CA', async () => {
    const before = [await text('ca.pem'), await text('ca-key.pem')]
    for (const account of ['ca', 'ca-key']) {
      await refuses(/is a file of the CA/, 'issue', account, '--force')
      await refuses(/is a file of the CA/, 'issue', 'a', '--name', account, '--out', 'x/..', '--force')
    }
    assert.deepEqual([await text('ca.pem'), await text('ca-key.pem')], before)
  })

  test('needs one account that can be one', async () => {
    await refuses(/the account is missing/, 'issue')
    await refuses(/"b" is one word too many/, 'issue', 'a', 'b')
    for (const account of ['a b', 'a//b', '/a', 'a/', 'a/../b', 'é', '..', 'spiffe://x/a']) {
      await refuses(/cannot be an account/, 'issue', account, '--name', 'x')
    }
  })

  test('refuses a name that is no plain file name', async () => {
    for (const name of ['../x', 'a/b', '.x', '']) {
      await refuses(/cannot be the name of a file/, 'issue', 'api-access', `--name=${name}`)
    }
  })

  test('refuses a DNS name that is none', async () => {
    for (const name of ['App.example.com', 'a b', '', 'a..b', '-a', 'https://a']) {
      await refuses(/is no DNS name/, 'issue', 'api-access', `--dns=${name}`)
    }
  })

  test('says how to get a CA where there is none', async () => {
    await mkdir(join(directory, 'empty'))
    await refuses(
      /empty\/ca\.pem does not exist; make a CA \(onbehalf ca init\)/,
      'issue',
      'a',
      '--ca',
      'empty',
    )
  })

  test('says what is wrong with the CA that it finds', async () => {
    await writeFile(join(directory, 'ca.pem'), makeRoot().pem)
    await refuses(/the CA key does not match the CA/, 'issue', 'a', '--issuer', 'mesh.example.com')
    await writeFile(join(directory, 'ca.pem'), 'x')
    await refuses(/the CA file holds no certificate/, 'issue', 'a')
    await rm(join(directory, 'ca.pem'))
    await mkdir(join(directory, 'ca.pem'))
    await refuses(/cannot be used \(EISDIR\)/, 'issue', 'a')
  })
})

describe('onbehalf ca', () => {
  test('shows an example of each action on --help', async () => {
    for (const args of [['--help'], ['-h'], ['init', '--help'], ['issue', 'x', '--help']]) {
      const said = await runWell(...args)
      if (args[0] !== 'issue') assert.match(said, /onbehalf ca init --issuer mesh\.example\.com/)
      if (args[0] !== 'init') assert.match(said, /onbehalf ca issue api-access --dns/)
    }
    assert.deepEqual(await readdir(directory), [])
  })

  test('without an action, or with another one, is wrong use', async () => {
    await refuses(/say init or issue[\s\S]*--help/)
    await refuses(/"make" is neither init nor issue/, 'make')
  })
})

const mesh: AuthorityRequest = { issuer: 'mesh.example.com', days: 10, nowMs: clockMs }
const request = (authority: Certified, changes: Partial<AccountRequest> = {}): AccountRequest => ({
  caPem: authority.certificatePem,
  caKeyPem: authority.keyPem,
  issuer: undefined,
  account: 'api-access',
  dnsNames: [],
  days: 5,
  nowMs: clockMs,
  ...changes,
})

describe('the certificates', () => {
  test('are valid from a minute ago', async () => {
    const authority = await createAuthority(mesh)
    const account = await issueAccount(request(authority))
    for (const { certificatePem } of [authority, account]) {
      assert.equal(new X509Certificate(certificatePem).validFromDate.getTime(), clockMs - 60_000)
    }
  })

  test('of accounts do not outlive their CA', async () => {
    const authority = await createAuthority(mesh)
    assert.equal((await issueAccount(request(authority, { days: 90 }))).notAfterMs, authority.notAfterMs)
  })

  test('are not made by a CA that has expired', async () => {
    const authority = await createAuthority(mesh)
    await assert.rejects(
      issueAccount(request(authority, { nowMs: clockMs + 11 * dayMs })),
      /the CA expired on 2026-01-25T12:00:00\.000Z; make a new one/,
    )
  })

  test('are not made by a CA that does not say its mesh, unless told', async () => {
    const root = makeRoot()
    const foreign = { certificatePem: root.pem, keyPem: root.keyPem, notAfterMs: root.shape.notAfterMs }
    await assert.rejects(issueAccount(request(foreign)), /does not say which mesh it is for; give --issuer/)
    assert.ok(await issueAccount(request(foreign, { issuer: 'mesh.example.com' })))
  })

  test('are not handed out where sidecars would refuse them', async () => {
    const root = makeRoot({ notBeforeMs: clockMs + dayMs })
    const early = { certificatePem: root.pem, keyPem: root.keyPem, notAfterMs: root.shape.notAfterMs }
    await assert.rejects(issueAccount(request(early, { issuer: 'mesh.example.com' })), (error: Error) => {
      return error instanceof CredentialFault && /would not accept.*not valid yet/.test(error.message)
    })
  })

  test('serve issuers and accounts with long names', async () => {
    const issuer = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`
    const authority = await createAuthority({ ...mesh, issuer })
    const account = 'ns/'.concat('c'.repeat(100))
    const { certificatePem } = await issueAccount(request(authority, { account }))
    // A common name has at most 64 characters (RFC 5280 appendix A.1); the SPIFFE id is what counts.
    assert.equal(new X509Certificate(authority.certificatePem).subject, `CN=${issuer.slice(0, 64)}`)
    assert.equal(new X509Certificate(certificatePem).subject, `CN=${account.slice(0, 64)}`)
    assert.match(
      new X509Certificate(certificatePem).subjectAltName ?? '',
      new RegExp(`^URI:spiffe://${issuer}/${account}$`),
    )
  })

  test('are as openssl reads them', { skip: withoutOpenssl }, async () => {
    const authority = await createAuthority(mesh)
    const account = await issueAccount(request(authority, { dnsNames: ['app.example.com'] }))
    await writeFile(join(directory, 'ca.pem'), authority.certificatePem)
    await writeFile(join(directory, 'a.pem'), account.certificatePem)
    await writeFile(join(directory, 'a-key.pem'), account.keyPem)
    const openssl = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      return stdout
    }
    const at = String(clockMs / 1000)
    for (const purpose of ['sslclient', 'sslserver']) {
      openssl('verify', '-x509_strict', '-attime', at, '-purpose', purpose, '-CAfile', 'ca.pem', 'a.pem')
    }
    assert.equal(
      openssl('pkey', '-in', 'a-key.pem', '-pubout'),
      openssl('x509', '-in', 'a.pem', '-pubkey', '-noout'),
    )
    const shown = openssl('x509', '-in', 'ca.pem', '-noout', '-text')
    assert.match(shown, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    assert.match(shown, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    const leaf = openssl('x509', '-in', 'a.pem', '-noout', '-text')
    assert.match(leaf, /Key Usage: critical\s+Digital Signature\n/)
    assert.match(leaf, /TLS Web Client Authentication, TLS Web Server Authentication/)
    assert.match(leaf, /ASN1 OID: prime256v1/)
  })
})

test('the command works bundled as CommonJS, and loads its library only when it makes something', async () => {
  await build({
    stdin: {
      contents: `import { ca } from './ca.ts'
        const before = 'getMetadata' in Reflect
        ca(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, env: {}, cwd: process.cwd() })
          .then((status) => console.log(JSON.stringify([before, 'getMetadata' in Reflect, status])))`,
      resolveDir: join(import.meta.dirname, '../../sidecar/cli'),
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: join(directory, 'ca.cjs'),
    logLevel: 'silent',
  })
  const bundled = (...args: string[]) =>
    spawnSync(process.execPath, ['ca.cjs', ...args], { cwd: directory, encoding: 'utf8' }).stdout
  assert.match(bundled('--help'), /\n\[false,false,0\]\n$/)
  assert.match(bundled('init', '--issuer', 'mesh.example.com'), /\n\[false,true,0\]\n$/)
  assert.equal(parseRoots(await text('ca.pem')).length, 1)
})
