// 1 to 1,000 known keys: of issuers with 100 keys each, all of which sign in turn; every token is new.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateSigningKey, type SigningKey } from '../../../deploy/demo/pomerium-keys.ts'
import type { Bed } from '../bed.ts'
import { appMesh, type Members } from '../contenders/mesh.ts'
import { makeOnbehalf } from '../contenders/onbehalf.ts'
import { tokensNew } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { TurnScenario } from '../scenario.ts'
import { host } from '../users.ts'
import type { Turn } from '../window.ts'

/** More are not read of one document. */
const keysOfIssuer = 100

export const keys: TurnScenario<'keys'> = {
  name: 'keys',
  commands: [],
  run: async (scene) => {
    const { bed, options } = scene
    const sets = await Promise.all([1, 1_000].map((count) => makeIssuers(bed, count)))
    return runRounds('keys', scene, async (folder) => {
      const turns: Turn[] = []
      for (const { count, issuers, signers } of sets) {
        const plan = await tokensNew(folder, `keys-${count}`, options, { host, keys: signers, hops: [] })
        turns.push({
          name: String(count),
          title: `Onbehalf, inbound; every token new, ${count} known ${count === 1 ? 'key' : 'keys'}`,
          contender: makeOnbehalf({ mesh: (_, ports) => ({ ...appMesh(bed, ports), issuers }) }),
          plan,
          against: { few: '1' },
        })
      }
      return turns
    })
  },
}

async function makeIssuers({ folder }: Bed, count: number) {
  const all = await Promise.all(Array.from({ length: count }, () => generateSigningKey('ES256')))
  const issuers: Members[] = []
  const signers: (SigningKey & { readonly issuer: string })[] = []
  for (let start = 0; start < count; start += keysOfIssuer) {
    const own = all.slice(start, start + keysOfIssuer)
    const name = `issuer-${count}-${start}`
    const file = path.join(folder, `${name}.json`)
    await writeFile(file, JSON.stringify({ keys: own.map(({ jwk }) => jwk) }))
    issuers.push({ name, issuer: [name], jwks: file, single_use: false })
    signers.push(...own.map((key) => ({ ...key, issuer: name })))
  }
  return { count, issuers, signers }
}
