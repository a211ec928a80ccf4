// What the kernel takes for this host itself: also addresses of interfaces without a carrier, such as a bridge to no
// container, and networks that are routed to this host. Of these `networkInterfaces()` says nothing.
// What is routed here for some packets alone, as by the rules of a transparent proxy, does not count.
import { readFileSync } from 'node:fs'

export interface LocalRoute {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** None where the system is no Linux, or does not say. */
export function readLocalRoutes(): LocalRoute[] {
  return [...readIpv4(read('/proc/net/fib_trie')), ...readIpv6(read('/proc/net/ipv6_route'))]
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

const tableName = /^(\w.*):$/
/** Those that every packet is looked up in. */
const generalTables: ReadonlySet<string | undefined> = new Set(['Local', 'Main'])
const leaf = /^ *\|-- ([0-9.]+)$/
const localPrefix = /^ *\/([0-9]+) host LOCAL/

/** Below the name of each table an address, and in the lines behind it what is routed there, and how. */
function readIpv4(text: string): LocalRoute[] {
  const routes: LocalRoute[] = []
  let table: string | undefined
  let address = ''
  for (const line of text.split('\n')) {
    table = tableName.exec(line)?.[1] ?? table
    address = leaf.exec(line)?.[1] ?? address
    const prefix = localPrefix.exec(line)?.[1]
    if (prefix === undefined || !generalTables.has(table)) continue
    routes.push({ address, prefix: Number(prefix), family: 'ipv4' })
  }
  return routes
}

/** RTF_LOCAL of the kernel's `ipv6_route.h`. */
const localFlag = 0x80000000

/** In columns: the address, its prefix, six others, the flags, in hexadecimal digits. Of which table is not said. */
function readIpv6(text: string): LocalRoute[] {
  const routes: LocalRoute[] = []
  for (const line of text.split('\n')) {
    const [digits = '', prefix, ...rest] = line.trim().split(/ +/)
    if (prefix !== '80' || Number.parseInt(rest[6] ?? '0', 16) < localFlag) continue
    const address = (digits.match(/.{4}/g) ?? []).join(':')
    routes.push({ address, prefix: 128, family: 'ipv6' })
  }
  return routes
}
