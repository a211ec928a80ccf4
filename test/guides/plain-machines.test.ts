// What is installed on machines without Kubernetes: systemd's units and the compose project, beside what the guides run of them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { sidecarUid } from '../../deploy/kubernetes/injection/names.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const units = join(deploy, 'systemd')
const read = (name: string) => readFile(join(deploy, name), 'utf8')
const analyze = (args: readonly string[], env = process.env) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: 20_000, env })
const skip =
  analyze(['--version']).status === 0 ? false : 'systemd-analyze is not installed (Debian: systemd)'

test('the unit is hardened: an exposure of at most 1.5 of 10', { skip }, () => {
  const path = join(units, 'onbehalf@.service')
  const { status, stdout } = analyze(['security', '--offline=yes', '--threshold=15', path])
  assert.equal(status, 0, stdout)
})

test('the drop-in for a certificate is one that systemd takes', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-units-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'onbehalf@App.service.d'))
  const unit = (await read('systemd/onbehalf@.service')).replace('/usr/local/bin/onbehalf', '/bin/true')
  await writeFile(join(folder, 'onbehalf@.service'), unit)
  const dropIn = 'certificate.conf'
  await copyFile(join(units, 'onbehalf@.service.d', dropIn), join(folder, 'onbehalf@App.service.d', dropIn))
  const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` }
  const { status, stderr } = analyze(['verify', '--man=no', 'onbehalf@App.service'], env)
  assert.equal(status, 0, stderr)
  assert.doesNotMatch(stderr, /onbehalf/)
})

test('the redirection exempts the user that the unit runs as', async () => {
  const [user, redirect, unit] = await Promise.all(
    ['onbehalf.conf', 'onbehalf-redirect@.service', 'onbehalf@.service'].map((name) =>
      read(`systemd/${name}`),
    ),
  )
  assert.match(user ?? '', new RegExp(`^u onbehalf ${sidecarUid} `, 'm'))
  assert.match(redirect ?? '', new RegExp(`^ExecStart=.* --uid ${sidecarUid} `, 'm'))
  assert.match(unit ?? '', /^User=onbehalf$/m)
})

test('what the units run is put there by the guide', async () => {
  const [guide, ...files] = await Promise.all(
    ['guides/systemd.md', 'systemd/onbehalf@.service', 'systemd/onbehalf-redirect@.service'].map(read),
  )
  const programs = files.map((unit) => /^ExecStart=(\S+)/m.exec(unit)?.[1] ?? '')
  const blocks = [...(guide ?? '').matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = '']) => text).join('')
  for (const program of programs) assert.match(blocks, new RegExp(`^(install|ln) .* ${program}$`, 'm'))
})

test('the unit may ask for the machine’s own addresses, without which no call is decided', async () => {
  assert.match(await read('systemd/onbehalf@.service'), /^RestrictAddressFamilies=.*\bAF_NETLINK\b/m)
})

interface Service {
  readonly image: string
  readonly user: string
  readonly read_only: boolean
  readonly cap_drop: readonly string[]
  readonly security_opt: readonly string[]
  readonly network_mode?: string
}

test('compose: this release beside the app, both without a right that they do not need', async () => {
  const { services } = parse(await read('compose/compose.yaml')) as {
    services: Readonly<Record<string, Service>>
  }
  const { version } = JSON.parse(await read('../package.json')) as { version: string }
  const sidecar = services['app-sidecar']
  assert.equal(sidecar?.image, `onbehalf:${version}`)
  assert.equal(sidecar.user, `${sidecarUid}:${sidecarUid}`)
  assert.equal(sidecar.network_mode, 'service:app')
  for (const { user, ...service } of Object.values(services)) {
    assert.doesNotMatch(user, /^0?:|root/)
    assert.deepEqual([service.read_only, service.cap_drop], [true, ['ALL']])
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'])
  }
})
