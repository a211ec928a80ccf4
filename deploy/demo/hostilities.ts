// What someone gains who writes to Redis: nothing.
import path from 'node:path'
import { loadAccount } from './account.ts'
import { readFigure } from './ask-sidecar.ts'
import { strangerFolder } from './certificates.ts'
import { assertion, outcome, present } from './present.ts'
import type { Happening, Scene, Seen } from './scene.ts'

export function listHostilities(scene: Scene): Happening[] {
  return [{ title: 'a certificate of another CA is put into Redis', happen: () => forgeCertificate(scene) }]
}

async function forgeCertificate({ topology, redis }: Scene): Promise<Seen> {
  const { folder, meshIssuer, services } = topology
  const { App, API } = services
  const impostor = await loadAccount(path.join(folder, strangerFolder), App.account ?? '', meshIssuer)
  await redis.write(`{onbehalf}:certificate:${impostor.keyId}`, JSON.stringify(impostor.x5c))
  const seen = outcome(await present(API, [assertion, await impostor.mintBare(API.host)]))
  const rejected = (await readFigure(API, 'onbehalf_store_rejected_entries{kind="certificate"}')) ?? 0
  return {
    text: `${seen}, and API counts the entry as rejected: ${rejected}`,
    // What a good key would get, too, whose entry somebody spoiled: it cannot be verified now.
    isRight: seen === '503 keys_unavailable' && rejected > 0,
  }
}
