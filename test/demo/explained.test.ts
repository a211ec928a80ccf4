// Every refusal that the demo shows is explained by `onbehalf explain`, in words that say what to change.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { loadAccount } from '../../deploy/demo/account.ts'
import { listAttacks } from '../../deploy/demo/attacks.ts'
import { strangerFolder } from '../../deploy/demo/certificates.ts'
import { startStranger } from '../../deploy/demo/stranger.ts'
import type { Decision } from '../../shared/decision.ts'
import { refusalGuide } from '../../shared/refusal-guide.ts'
import { onbehalf, startChain } from '../telemetry/chain.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'

test('each attack of the demo, and a chain of calls from its entry to its end', async (t) => {
  const chain = await startChain(t, { apps: 'preload', hasStrangers: true })
  const { topology, pomerium } = chain
  const { folder, meshFile, meshIssuer, services } = topology
  const explain = async (...args: readonly string[]) => {
    const command = [onbehalf, 'explain', '--config', meshFile, ...args]
    return (await promisify(execFile)(process.execPath, command)).stdout
  }
  await chain.ask('alice', [['traceparent', `00-${traceId}-b7ad6b7169203331-01`]])
  const hops = (await explain(traceId)).split('\n').filter((line) => /^\S/.test(line))
  assert.deepEqual(hops, [
    `App: inbound GET 127.0.0.1/orders allowed`,
    `App: outbound GET ${services.API.host}/orders allowed`,
    `API: inbound GET ${services.API.host}/orders allowed`,
    `API: outbound GET ${services.Ledger.host}/orders allowed`,
    `Ledger: inbound GET ${services.Ledger.host}/orders allowed`,
  ])

  const stranger = await startStranger()
  t.after(() => stranger.close())
  const attacks = listAttacks({
    pomerium,
    services,
    apiAccess: await loadAccount(folder, 'api-access', meshIssuer),
    ledgerAccess: await loadAccount(folder, 'ledger-access', meshIssuer),
    foreignApiAccess: await loadAccount(path.join(folder, strangerFolder), 'api-access', meshIssuer),
    strangerHost: stranger.host,
  })
  for (const { attempt } of attacks) await attempt()
  await chain.ask('mallory')
  const refused = (await Promise.all(Object.values(services).map(decisionsOf)))
    .flat()
    .filter(({ outcome }) => outcome === 'refused')
  const expected = new Set(attacks.flatMap((attack) => /^\d+ ([a-z_]+)$/.exec(attack.expected)?.[1] ?? []))
  const codes = new Set(refused.map(({ code }) => code as keyof typeof refusalGuide))
  for (const code of expected) assert.ok(codes.has(code as keyof typeof refusalGuide), code)
  for (const code of codes) {
    const { requestId = '' } = refused.find((decision) => decision.code === code) ?? {}
    const text = await explain(requestId)
    assert.match(text, new RegExp(` refused: ${code}$`, 'm'))
    assert.ok(text.includes(`change         ${refusalGuide[code].change}`), text)
  }
})

async function decisionsOf({ adminPort, adminTokenFile }: { adminPort: number; adminTokenFile: string }) {
  const authorization = `Bearer ${(await readFile(adminTokenFile, 'utf8')).trim()}`
  const answer = await fetch(`http://127.0.0.1:${adminPort}/decisions`, { headers: { authorization } })
  return (await answer.json()) as Decision[]
}
