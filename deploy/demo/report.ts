// Prints what the chains and the attacks came to.
import path from 'node:path'
import { loadAccount } from './account.ts'
import { listAttacks, type Battlefield } from './attacks.ts'
import { strangerFolder } from './certificates.ts'
import { walkChains } from './chains.ts'
import type { Pomerium, PomeriumUser } from './pomerium.ts'
import { heading, table, verdict } from './print.ts'
import { countSources } from './sources.ts'
import { startStranger } from './stranger.ts'
import type { Topology } from './topology.ts'

const requestsEach = 20

/** Prints a row for each user at each hop. @returns whether every one is as it should be */
export async function showChains(
  topology: Topology,
  users: Readonly<Record<string, PomeriumUser>>,
): Promise<boolean> {
  const hops = await walkChains(topology, users, requestsEach)
  const rows = hops.map((hop) => [
    hop.user,
    hop.service,
    hop.calledBy,
    hop.onBehalfOf,
    hop.chain || 'directly',
    `${hop.right} of ${hop.sent}`,
    verdict(hop.right === hop.sent),
  ])
  const title = `${hops.length} hops, ${requestsEach} requests of each user at the same time`
  const header = ['user', 'service', 'called by', 'on behalf of', 'by way of (evidence)', 'requests', '']
  console.log(`${heading(title)}\n${table(header, rows)}`)
  const wrongAnswer = hops.find((hop) => hop.wrongAnswer !== undefined)?.wrongAnswer
  if (wrongAnswer !== undefined) console.log(`\n  An answer that differs: ${wrongAnswer}`)
  return hops.every((hop) => hop.right === hop.sent)
}

/**
 * Prints what carried the user over each call of the chains: the apps copy nothing, the preload does.
 * @returns whether it was the one handle for every call
 */
export async function showSources({ services }: Topology, users: number): Promise<boolean> {
  const { App, API, Ledger } = services
  const sent = users * requestsEach
  const rows: { row: string[]; right: boolean }[] = []
  for (const [caller, callee] of [
    [App, API],
    [API, Ledger],
  ] as const) {
    for (const { source, calls } of await countSources(caller, callee.name)) {
      const right = source === 'handle' && calls === sent
      const row = [`${caller.name} calls ${callee.name}`, source, `${calls} of ${sent}`, verdict(right)]
      rows.push({ row, right })
    }
  }
  const title = 'What carried the user: no app copies a header, the preload carries the handle'
  const cells = rows.map(({ row }) => row)
  console.log(`${heading(title)}\n${table(['call', 'source', 'calls', ''], cells)}`)
  return rows.length === 2 && rows.every(({ right }) => right)
}

/** Prints a row for each attack. @returns whether every one ended as it should */
export async function showAttacks(topology: Topology, pomerium: Pomerium): Promise<boolean> {
  const { folder, meshIssuer, services } = topology
  const stranger = await startStranger()
  const field: Battlefield = {
    pomerium,
    services,
    apiAccess: await loadAccount(folder, 'api-access', meshIssuer),
    ledgerAccess: await loadAccount(folder, 'ledger-access', meshIssuer),
    foreignApiAccess: await loadAccount(path.join(folder, strangerFolder), 'api-access', meshIssuer),
    strangerHost: stranger.host,
  }
  const results: { row: string[]; right: boolean }[] = []
  for (const { title, at, expected, attempt } of listAttacks(field)) {
    const actual = await attempt().catch((error: unknown) => `failed: ${String(error)}`)
    const right = actual === expected
    results.push({ right, row: [title, at, expected, actual, verdict(right)] })
  }
  await stranger.close()
  const header = ['attack', 'at', 'expected', 'actual', '']
  console.log(
    `${heading(`${results.length} attacks`)}\n${table(
      header,
      results.map(({ row }) => row),
    )}`,
  )
  return results.every(({ right }) => right)
}
