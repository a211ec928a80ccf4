// The certificates of the demo, made by the commands that a user would type.
import path from 'node:path'
import type { Processes } from './processes.ts'
import type { Topology } from './topology.ts'

/** Another authority with the same names, whom nobody trusts. */
export const strangerFolder = 'stranger'

export async function issueCertificates(
  processes: Processes,
  onbehalf: string,
  topology: Topology,
): Promise<void> {
  const accounts = Object.values(topology.services).flatMap(({ account }) => account ?? [])
  for (const folder of [topology.folder, path.join(topology.folder, strangerFolder)]) {
    await processes.run('ca', [onbehalf, 'ca', 'init', '--issuer', topology.meshIssuer, '--out', folder])
    for (const account of accounts) {
      await processes.run('ca', [onbehalf, 'ca', 'issue', account, '--ca', folder, '--out', folder])
    }
  }
}
