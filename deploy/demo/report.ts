// Prints what the chains and the attacks came to.
import path from 'node:path'
import { loadAccount } from './account.ts'
import { listAttacks, type Battlefield } from './attacks.ts'
import { strangerFolder } from './certificates.ts'
import { walkChains } from './chains.ts'
import type { Pomerium, PomeriumUser } from './pomerium.ts'
import { heading, table, verdict } from './print.ts'
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
    `${hop.right} of ${hop.sent}`,
    verdict(hop.right === hop.sent),
  ])
  const title = `${hops.length} hops, ${requestsEach} requests of each user at the same time`
  const header = ['user', 'service', 'called by', 'on behalf of', 'requests', '']
  console.log(`${heading(title)}\n${table(header, rows)}`)
  const wrongAnswer = hops.find((hop) => hop.wrongAnswer !== undefined)?.wrongAnswer
  if (wrongAnswer !== undefined) console.log(`\n  An answer that differs: ${wrongAnswer}`)
  return hops.every((hop) => hop.right === hop.sent)
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
