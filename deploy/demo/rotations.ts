// New keys for old: Pomerium's, an account's, the CA's. Each is in use before it is called done.
import { setTimeout as pause } from 'node:timers/promises'
import { loadAccount, type Account } from './account.ts'
import { readKeys } from './ask-sidecar.ts'
import { planNextAuthority, renewAccount, type NextAuthority } from './certificates.ts'
import { assertion, outcome, present } from './present.ts'
import { eventually } from './ready.ts'
import { assertionAt, isSoForAll, type Happening, type Scene, type Seen } from './scene.ts'
import type { Service, ServiceName } from './topology.ts'

/** So long requests go on with a new key before it is looked at what they carried. */
const inUseMs = 1_000

export function listRotations(scene: Scene): Happening[] {
  return [
    { title: 'Pomerium signs with a new key', happen: () => rotatePomerium(scene) },
    { title: "App's account gets a new certificate", happen: () => rotateAccount(scene) },
    ...replaceAuthority(scene),
  ]
}

function replaceAuthority(scene: Scene): Happening[] {
  const { folder, meshIssuer, services } = scene.topology
  const next = planNextAuthority(scene)
  let retired: Account | undefined
  return [
    { title: 'a second CA is trusted beside the first', happen: () => addAuthority(scene, next) },
    {
      title: 'it certifies both accounts anew',
      happen: async () => {
        retired = await loadAccount(folder, services.App.account ?? '', meshIssuer)
        return certifyAnew(scene, next)
      },
    },
    { title: 'the first CA is trusted no more', happen: () => removeAuthority(scene, next, retired) },
  ]
}

async function rotatePomerium({ pomerium, load }: Scene): Promise<Seen> {
  const old = pomerium.signingKey()
  const fetchesBefore = pomerium.jwksFetches()
  const { last, outcome: key } = await load.during(() => pomerium.rotateKey())
  const used = assertionAt(last, 'App')?.keyId
  return {
    text: `${change(old.kid, used)}, fetched ${pomerium.jwksFetches() - fetchesBefore} times`,
    isRight: used === key.kid && used !== old.kid,
  }
}

async function rotateAccount(scene: Scene): Promise<Seen> {
  const { App } = scene.topology.services
  return showChange(scene, [[App, 'API']], () => renewAccount(scene, App.account ?? ''))
}

async function addAuthority({ topology }: Scene, next: NextAuthority): Promise<Seen> {
  await next.add()
  await eventually(() => isSoForAll(topology, hasRoots(2)), 'every sidecar trusts both')
  return { text: 'two roots at every sidecar', isRight: true }
}

async function certifyAnew(scene: Scene, next: NextAuthority): Promise<Seen> {
  const { App, API } = scene.topology.services
  const calls = [
    [App, 'API'],
    [API, 'Ledger'],
  ] as const
  return showChange(scene, calls, () => next.certify())
}

async function removeAuthority(
  { topology }: Scene,
  next: NextAuthority,
  retired: Account | undefined,
): Promise<Seen> {
  const { API } = topology.services
  await next.removeFirst()
  await eventually(() => isSoForAll(topology, hasRoots(1)), 'every sidecar trusts the second one alone')
  const token = (await retired?.mint(API.host)) ?? ''
  const seen = outcome(await present(API, [assertion, token]))
  return { text: `whom it had certified: ${seen}`, isRight: seen === '401 assertion_key_unknown' }
}

/** Waits until each caller has another key than before, and then until its callee saw it. */
async function showChange(
  { load }: Scene,
  calls: readonly (readonly [caller: Service, callee: ServiceName])[],
  replace: () => Promise<void>,
): Promise<Seen> {
  const keysOf = () => Promise.all(calls.map(async ([caller]) => (await readKeys(caller)).account?.key_id))
  const before = await keysOf()
  await replace()
  await eventually(
    async () => (await keysOf()).every((keyId, i) => keyId !== undefined && keyId !== before[i]),
    'the new key signs',
  )
  const { last } = await load.during(() => pause(inUseMs))
  const used = calls.map(([, callee]) => assertionAt(last, callee)?.keyId)
  const after = await keysOf()
  return {
    text: used.map((keyId, i) => change(before[i], keyId)).join('; '),
    isRight: used.every((keyId, i) => keyId === after[i] && keyId !== before[i]),
  }
}

function hasRoots(count: number): (service: Service) => Promise<boolean> {
  return async (service) => (await readKeys(service)).roots.length === count
}

function change(before: string | undefined, after: string | undefined): string {
  return `kid ${before?.slice(0, 8)} → ${after?.slice(0, 8)}`
}
