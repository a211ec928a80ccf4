// Runs a document: its files are written, its commands carried out in order, in namespaces of their own for network and /etc.
import { execFile, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

const root = join(import.meta.dirname, '../..')
const bundle = join(root, 'dist/onbehalf.cjs')

/** Why no document can be run here; false where it can. */
export const skip =
  spawnSync('unshare', ['--net', '--mount', 'true']).status === 0
    ? false
    : 'namespaces of its own for network and mounts need root on Linux'

export interface Block {
  readonly language: string
  readonly text: string
}

/** What stands between fences. */
export function blocksOf(document: string): Block[] {
  return [...document.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = '', text = '']) => ({
    language,
    text,
  }))
}

/** The name in the comment of the first line, for what is to be a file. */
export function fileNameOf({ text }: Block): string | undefined {
  return /^(?:#|\/\/) ([\w@./-]+\.\w+)\n/.exec(text)?.[1]
}

export interface Play {
  readonly files: Readonly<Record<string, string>>
  /** What bash runs, block by block. */
  readonly commands: readonly string[]
  /** Whether apps listen at 8080 and 8081 that answer with the handle that they got. */
  readonly hasApps: boolean
}

/** @returns what was written, and the exit status. */
export async function play(
  t: TestContext,
  { files, commands, hasApps }: Play,
): Promise<{ status: number; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-guide-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries({ ...(await userFiles()), ...files })) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  await mkdir(join(folder, 'bin'))
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(folder, 'bin', name), text)
    await chmod(join(folder, 'bin', name), 0o755)
  }
  const script = [
    'set -euo pipefail',
    'ip link set lo up',
    `cp -a /etc ${folder}/etc && mount --bind ${folder}/etc /etc`,
    `mount --bind ${folder}/bin /usr/local/bin`,
    `mkdir ${folder}/lib && mount --bind ${folder}/lib /usr/local/lib`,
    `cd ${folder}`,
    // What is started ends with the document.
    `trap 'kill $(jobs -p) $(cat pids 2>/dev/null) 2>/dev/null || true' EXIT`,
    ...(hasApps ? [`node ${join(import.meta.dirname, 'apps.cjs')} 8080 8081 &`] : []),
    ...commands,
  ].join('\n')
  const path = `/usr/local/bin:${join(root, 'node_modules/.bin')}:${process.env['PATH']}`
  const env = { PATH: path, HOME: folder, ROOT: root, BUNDLE: bundle }
  return new Promise((resolve) => {
    const options = { env, timeout: 90_000 }
    execFile('unshare', ['--net', '--mount', 'bash', '-c', script], options, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : 1, output: stdout + stderr }),
    )
  })
}

/** A user's token as Pomerium signs it, and the keys that it publishes. */
async function userFiles(): Promise<Record<string, string>> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('hex')
  const iat = Math.floor(Date.now() / 1000)
  const tokenFor = (jti: string) => {
    const host = 'app.localhost.pomerium.io'
    const claims = {
      iss: host,
      aud: host,
      sub: 'user-1',
      email: 'alice@companydomain.com',
      iat,
      exp: iat + 300,
      jti,
    }
    const input = [{ alg: 'ES256', kid, typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return `${input}.${signature.toString('base64url')}`
  }
  return {
    'jwks.json': `${JSON.stringify({ keys: [{ ...jwk, kid, alg: 'ES256', use: 'sig' }] })}\n`,
    'user-token': tokenFor('one'),
    'another-token': tokenFor('two'),
  }
}

/** Stand-ins for what has no place in a test: an init system, a container engine, and npm, which would install. */
const programs = {
  onbehalf: '#!/bin/sh\nexec node "$BUNDLE" "$@"\n',
  npm: '#!/bin/sh\n[ "$1 $2 $3" = "run -s onbehalf" ] || exit 0\nshift 4\nexec onbehalf "$@"\n',
  'systemd-sysusers': '#!/bin/sh\n',
  systemctl: `#!/usr/bin/env node
const { existsSync, readFileSync, appendFileSync } = require('node:fs')
const { spawn, spawnSync } = require('node:child_process')
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const [verb, unit = ''] = words
const [name, instance] = unit.split('@')
const file = (name) => '/etc/systemd/system/' + name + '@.service'
const fieldsOf = (name, field) => [...readFileSync(file(name), 'utf8').replaceAll('%i', instance).matchAll(new RegExp('^' + field + '=(.*)$', 'gm'))].map(([, value]) => value)
const fieldOf = (name, field) => fieldsOf(name, field)[0]
if (verb === 'daemon-reload') {
  for (const path of ['onbehalf', 'onbehalf-redirect'].map(file).filter((path) => existsSync(path))) {
    const { status, stderr, error } = spawnSync('systemd-analyze', ['verify', '--man=no', path])
    if (error === undefined && (status !== 0 || /onbehalf/.test(stderr))) throw new Error(String(stderr))
  }
}
if (name === 'onbehalf-redirect') {
  const [, options] = /^"REDIRECT_OPTIONS=(.*)"$/.exec(fieldOf(name, 'Environment'))
  const command = fieldOf(name, verb === 'disable' ? 'ExecStop' : 'ExecStart').replace('$REDIRECT_OPTIONS', options).split(' ')
  const { status, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  // Where there is no iptables the script can but say so.
  if (status !== 0 && !/is not installed|cannot read the nat table/.test(stderr)) throw new Error(stderr)
  process.exit(0)
}
if (verb === 'enable') {
  const [program, ...args] = fieldOf(name, 'ExecStart').split(' ')
  const child = spawn(program, args, { detached: true, stdio: 'inherit' })
  appendFileSync('pids', child.pid + '\\n')
  child.unref()
}
if (verb === 'reload') process.kill(Number(readFileSync('pids', 'utf8').split('\\n')[0]), 'SIGHUP')
`,
  docker: `#!/usr/bin/env node
const { mkdirSync, readFileSync, appendFileSync } = require('node:fs')
const { spawn, spawnSync } = require('node:child_process')
const { parse } = require(process.env.ROOT + '/node_modules/yaml')
const entrypoint = (image) => (image.startsWith('onbehalf:') ? ['node', process.env.BUNDLE] : [])
for (const { image, command, volumes = [], tmpfs = [], environment, healthcheck } of Object.values(parse(readFileSync('compose.yaml', 'utf8')).services)) {
  const mounts = volumes.map((volume) => volume.split(':'))
  for (const [place] of tmpfs.map((each) => each.split(':'))) {
    mkdirSync('.' + place, { recursive: true })
    mounts.push(['.' + place, place])
  }
  const inside = (word) => {
    const mount = mounts.find(([, place]) => word.startsWith(place))
    return mount === undefined ? word : word.replace(mount[1], mount[0])
  }
  const variables = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, inside(value)]))
  const [program, ...args] = [...entrypoint(image), ...command.split(' ').map(inside)]
  const child = spawn(program, args, { detached: true, stdio: 'inherit', env: { ...process.env, ...variables } })
  appendFileSync('pids', child.pid + '\\n')
  child.unref()
  if (healthcheck === undefined) continue
  const [, , ...check] = healthcheck.test
  for (let tries = 0; spawnSync('node', check, { timeout: 5_000 }).status !== 0; tries++) {
    if (tries > 30) throw new Error('it does not become healthy')
    spawnSync('sleep', ['0.2'])
  }
}
`,
}
