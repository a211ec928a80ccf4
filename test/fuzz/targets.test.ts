// Where a request goes, beside URL as WHATWG has it: a host and a port that we take are the ones that it finds.
import assert from 'node:assert/strict'
import { Refusal } from '../../shared/errors.ts'
import { readTarget, type RequestTarget } from '../../shared/target.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const hosts =
  'a a.b A.b. xn--a 127.0.0.1 127.1 0x7f.1 2130706433 0177.0.0.1 [::1] [::ffff:1.2.3.4] [fe80::1] a_b 1.2.3.4. a.0x a..b'.split(
    ' ',
  )
const ports = ['', '', ':80', ':443', ':8080', ':0', ':65536', ':080', ':']
const paths = ['/', '', '/a?b', '?b', '/a/../b', '//b', '/%2e', '*', 'a']
const pieces = [...'./:@[]%#?\\ \t\0aA0-_~\xe9'.split(''), '://', '%41', '0x', '::', '//']

function any(list: readonly string[], chance: Chance): string {
  return list[chance(list.length)] as string
}

function read(target: string, host: string): RequestTarget | undefined {
  try {
    return readTarget({ method: 'GET', target, headers: ['Host', host] })
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

fuzz('targets', { cases: 10_000, atLeast: { outcome: 'the same', oneIn: 8 } }, (chance) => {
  const authority = `${any(hosts, chance)}${any(ports, chance)}`
  const host = mutated(authority, pieces, chance)
  const isAbsolute = chance(2) === 0
  const scheme = any(['http', 'https', 'HTTP'], chance)
  const path = any(paths, chance)
  const target = mutated(isAbsolute ? `${scheme}://${authority}${path}` : path, pieces, chance)
  const found = read(target, host)
  if (found === undefined) return 'refused'
  const words = JSON.stringify({ target, host, found })
  const url = URL.parse(found.absoluteForm ? target : `http://${host}/`)
  assert.ok(url !== null, words)
  assert.equal(found.host, plain(url.hostname), words)
  assert.equal(
    found.port ?? (found.tls ? 443 : 80),
    Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    words,
  )
  assert.equal(found.originForm, found.absoluteForm ? originOf(target) : target, words)
  return 'the same'
})

/** Without what says the same twice: brackets, the final dot, an IPv4 address within an IPv6 one. */
function plain(hostname: string): string {
  const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname)
  if (mapped === null) return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const bits = Number.parseInt(mapped[1] as string, 16) * 65_536 + Number.parseInt(mapped[2] as string, 16)
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.')
}

/** What stands behind the authority, which always begins with a slash. */
function originOf(target: string): string {
  const at = target.slice(target.indexOf('://') + 3).search(/[/?]/)
  const rest = at === -1 ? '' : target.slice(target.indexOf('://') + 3 + at)
  return rest.startsWith('/') ? rest : `/${rest}`
}
