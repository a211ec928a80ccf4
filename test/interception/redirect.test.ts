// The script that sets the rules: what it takes, what it sets, and that it takes away no more than it has set.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeNetwork, whyNoNamespaces, type Pod } from './network.ts'

const script = join(import.meta.dirname, '../../deploy/interception/redirect.sh')
const skip = (await whyNoNamespaces()) ?? false

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function ended(command: string, args: readonly string[], path = process.env['PATH']): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(command, [...args], { env: { PATH: path } }, (error, stdout, stderr) =>
      resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

/** Where there is no iptables at all: what is refused there was refused before anything was touched. */
async function withoutTools(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-redirect-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const tool of ['sh', 'tr', 'xargs', 'cat']) await symlink(`/usr/bin/${tool}`, join(folder, tool))
  return folder
}

const uid = ['apply', '--uid', '15000']
const wrong: readonly (readonly [what: string, args: readonly string[], says: RegExp])[] = [
  ['nothing', [], /say apply or remove/],
  ['another action', ['replace'], /'replace' is neither apply nor remove/],
  ['no user', ['apply'], /--uid/],
  ['root', ['apply', '--uid', '0'], /--uid: '0' is not a number from 1/],
  ['a user by name', ['apply', '--uid', 'nobody'], /--uid: 'nobody'/],
  ['the user that stands for none', ['apply', '--uid', '4294967295'], /from 1 to 4294967294/],
  ['a negative number', ['apply', '--uid', '-1'], /--uid: '-1'/],
  ['a number as shells read octal', ['apply', '--uid', '010'], /--uid: '010'/],
  ['an option without its value', ['apply', '--uid'], /--uid needs a value/],
  ['an option that is not there', [...uid, '--inbound'], /no option '--inbound'/],
  ['a word that is no option', [...uid, 'x'], /no option 'x'/],
  ['options of apply for remove', ['remove', '--uid', '1'], /remove knows no option '--uid'/],
  ['port 0', [...uid, '--inbound-port', '0'], /--inbound-port: '0'/],
  ['a port that is too high', [...uid, '--outbound-port', '65536'], /--outbound-port: '65536'/],
  ['a port with words', [...uid, '--probes-port', '80 -j ACCEPT'], /--probes-port/],
  ['a list with a gap', [...uid, '--exclude-inbound-ports', '1,,2'], /--exclude-inbound-ports/],
  ['a list with an end', [...uid, '--exclude-outbound-ports', '1,'], /--exclude-outbound-ports/],
  ['an empty list', [...uid, '--exclude-outbound-ports', ''], /--exclude-outbound-ports/],
  ['a range of ports', [...uid, '--exclude-outbound-ports', '1:2'], /'1:2' is not a number/],
  ['three parts of an address', [...uid, '--exclude-outbound-ranges', '10.0.0/8'], /not an IPv4 address/],
  ['a part that is too high', [...uid, '--exclude-outbound-ranges', '10.0.0.256'], /'256' is not a number/],
  ['a prefix that is too long', [...uid, '--exclude-outbound-ranges', '10.0.0.0/33'], /'33' is not a number/],
  ['a prefix of nothing', [...uid, '--exclude-outbound-ranges', '10.0.0.0/'], /not an address/],
  ['an IPv6 prefix that is too long', [...uid, '--exclude-outbound-ranges', 'fd00::/129'], /'129'/],
  ['two gaps in IPv6', [...uid, '--exclude-outbound-ranges', 'fd00::1::2'], /not an IPv6 address/],
  ['a group that is too long', [...uid, '--exclude-outbound-ranges', 'fd000::'], /not an IPv6 address/],
  ['a name', [...uid, '--exclude-outbound-ranges', 'example.com'], /--exclude-outbound-ranges/],
  ['a line’s end in a list', [...uid, '--exclude-outbound-ranges', '10.0.0.1\n-A OUTPUT'], /not a list/],
  ['neither direction', [...uid, '--no-inbound', '--no-outbound'], /nothing to do/],
]
for (const [what, args, says] of wrong) {
  test(`${what}: wrong use, before anything is touched`, async (t) => {
    const { status, stdout, stderr } = await ended(script, args, await withoutTools(t))
    assert.deepEqual([status, stdout], [2, ''], stderr)
    assert.match(stderr, says)
  })
}

test('without the tools it says which are missing, and of IPv6 how to go without', async (t) => {
  const folder = await withoutTools(t)
  const neither = await ended(script, uid, folder)
  assert.deepEqual([neither.status, neither.stderr], [1, 'redirect.sh: iptables is not installed\n'])
  for (const tool of ['iptables', 'iptables-restore']) await symlink('/bin/true', join(folder, tool))
  const half = await ended(script, uid, folder)
  assert.equal(half.status, 1)
  assert.match(half.stderr, /ip6tables is not installed.*--ipv4-only/)
})

async function podOf(t: TestContext): Promise<Pod> {
  const network = await makeNetwork(['pod'])
  t.after(() => network.close())
  const { pods } = network
  // Rules of somebody else, which are to stay.
  for (const tool of ['iptables', 'ip6tables']) {
    await pods.pod.exec(tool, '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '9', '-j', 'RETURN')
    await pods.pod.exec(tool, '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'RETURN')
  }
  return pods.pod
}

async function saved(pod: Pod): Promise<string> {
  const texts = [await pod.exec('iptables-save'), await pod.exec('ip6tables-save')]
  return texts
    .join('')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\[\d+:\d+\]/g, '')
}

test('applied twice it is as applied once, and removed it is as it was', { skip }, async (t) => {
  const pod = await podOf(t)
  const before = await saved(pod)
  await pod.exec(script, ...uid)
  const once = await saved(pod)
  assert.notEqual(once, before)
  await pod.exec(script, ...uid)
  assert.equal(await saved(pod), once)
  await pod.exec(script, 'remove')
  assert.equal(await saved(pod), before)
  await pod.exec(script, 'remove')
  assert.equal(await saved(pod), before)
})

test('applied with other options it replaces what it had set', { skip }, async (t) => {
  const pod = await podOf(t)
  const before = await saved(pod)
  await pod.exec(script, ...uid, '--exclude-inbound-ports', '22')
  await pod.exec(script, 'apply', '--uid', '15001', '--no-inbound', '--outbound-port', '15101')
  const rules = await saved(pod)
  assert.doesNotMatch(rules, /15000|15006|-j ONBEHALF_INBOUND|dports 22/)
  assert.match(rules, /--uid-owner 15001 -j RETURN[^]*--to-ports 15101/)
  await pod.exec(script, 'remove')
  assert.equal(await saved(pod), before)
})

test(
  'what is excluded stands before what is redirected, fifteen ports to a rule, each range in its family',
  { skip },
  async (t) => {
    const pod = await podOf(t)
    const ports = Array.from({ length: 31 }, (_, i) => i + 1)
    const ranges = '10.0.0.0/8,fd00::/8,192.0.2.1'
    await pod.exec(
      script,
      ...uid,
      '--exclude-outbound-ports',
      ports.join(),
      '--exclude-outbound-ranges',
      ranges,
    )
    const outbound = async (tool: string) =>
      (await pod.exec(tool, '-t', 'nat', '-S', 'ONBEHALF_OUTBOUND')).replaceAll('-A ONBEHALF_OUTBOUND ', '')
    const rules = (loopback: string, excluded: readonly string[]) => [
      '-N ONBEHALF_OUTBOUND',
      '-m owner --uid-owner 15000 -j RETURN',
      '-o lo -j RETURN',
      `-d ${loopback} -j RETURN`,
      ...[ports.slice(0, 15), ports.slice(15, 30), ports.slice(30)].map(
        (part) => `-p tcp -m multiport --dports ${part.join()} -j RETURN`,
      ),
      ...excluded.map((range) => `-d ${range} -j RETURN`),
      '-p tcp -j REDIRECT --to-ports 15001',
      '',
    ]
    const ipv4 = rules('127.0.0.0/8', ['10.0.0.0/8', '192.0.2.1/32'])
    assert.deepEqual((await outbound('iptables')).split('\n'), ipv4)
    assert.deepEqual((await outbound('ip6tables')).split('\n'), rules('::1/128', ['fd00::/8']))
  },
)

test('without the right to it, it says so', { skip }, async (t) => {
  const pod = await podOf(t)
  const before = await saved(pod)
  const failing = pod.exec('setpriv', '--bounding-set=-net_admin', script, ...uid)
  await assert.rejects(failing, /cannot read the nat table: NET_ADMIN is missing/)
  assert.equal(await saved(pod), before)
})

test('what only the kernel’s tools can refuse is refused before anything is changed', { skip }, async (t) => {
  const pod = await podOf(t)
  const before = await saved(pod)
  const failing = pod.exec(script, ...uid, '--exclude-outbound-ranges', '1:2:3:4:5:6:7:8:9')
  await assert.rejects(failing, /nothing was changed/)
  assert.equal(await saved(pod), before)
})

test('--ipv4-only leaves IPv6 alone', { skip }, async (t) => {
  const pod = await podOf(t)
  const before = await pod.exec('ip6tables', '-t', 'nat', '-S')
  await pod.exec(script, ...uid, '--ipv4-only')
  assert.equal(await pod.exec('ip6tables', '-t', 'nat', '-S'), before)
  assert.match(await pod.exec('iptables', '-t', 'nat', '-S'), /ONBEHALF_OUTBOUND/)
})
