// A session that is revoked by the command: refused by every sidecar, until its user logs in again.
import { loadAccount } from './account.ts'
import { assertion, originalUser, outcome, present } from './present.ts'
import { eventually } from './ready.ts'
import type { Happening, Scene, Seen } from './scene.ts'

const user = 'alice'
const refusals = ['401 assertion_revoked', '401 original_user_revoked', '401 original_user_revoked']

export function listRevocations(scene: Scene): Happening[] {
  return [
    { title: `${user}'s session is revoked; bob's is not`, happen: () => revokeSession(scene) },
    { title: `${user} logs in again`, happen: () => logInAgain(scene) },
  ]
}

async function revokeSession(scene: Scene): Promise<Seen> {
  const { topology, processes, onbehalf, pomerium, load } = scene
  load.users.delete(user)
  // Until what was sent for her is answered.
  await load.during(async () => undefined)
  const { sid } = pomerium.claims(user, topology.services.App.host)
  const revoke = ['revoke', '--session', String(sid), '--config', topology.meshFile, '--service', 'App']
  await processes.run('revoke', [onbehalf, ...revoke])
  let seen: string[] = []
  await eventually(async () => {
    seen = await askEverywhere(scene)
    return seen.join() === refusals.join()
  }, 'every sidecar refuses').catch(() => undefined)
  return {
    text: `App: ${seen[0]}; API and Ledger: ${[...new Set(seen.slice(1))].join(', ')}`,
    isRight: seen.join() === refusals.join(),
  }
}

/** As the user at App, and on her behalf at API and Ledger, with accounts and assertions that are good. */
async function askEverywhere({ topology, pomerium }: Scene): Promise<string[]> {
  const { folder, meshIssuer, services } = topology
  const { App, API, Ledger } = services
  const asUser = await present(App, [assertion, await pomerium.assertion(user, App.host)])
  const onBehalf = [
    [App, API],
    [API, Ledger],
  ].map(async ([caller = App, callee = API]) => {
    const account = await loadAccount(folder, caller.account ?? '', meshIssuer)
    const token = await pomerium.assertion(user, App.host)
    return present(callee, [assertion, await account.mint(callee.host)], [originalUser, token])
  })
  return [asUser, ...(await Promise.all(onBehalf))].map((answer) => outcome(answer))
}

/** Whether she is let in, her requests say: they are sent again. */
async function logInAgain({ pomerium, load }: Scene): Promise<Seen> {
  pomerium.logIn(user)
  load.users.add(user)
  await load.during(async () => undefined)
  return { text: 'a session of its own, which nobody revoked', isRight: true }
}
