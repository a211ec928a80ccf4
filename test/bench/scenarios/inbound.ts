// The inbound side beside nginx and HAProxy: tokens seen before, and every token new.
import { haproxy } from '../contenders/haproxy.ts'
import { nginx } from '../contenders/nginx.ts'
import { onbehalf } from '../contenders/onbehalf.ts'
import { signingOf, tokensNew, tokensSeen } from '../plans.ts'
import { runRounds } from '../rounds.ts'
import type { Scene, TurnScenario } from '../scenario.ts'
import type { Plan, Turn } from '../window.ts'

export const inbound: TurnScenario<'inbound'> = {
  name: 'inbound',
  commands: [],
  run: (scene) =>
    runRounds('inbound', scene, async (folder) =>
      Object.entries(await inboundPlans(scene, folder)).flatMap(([which, plan]) => turnsOf(which, plan)),
    ),
}

export async function inboundPlans(
  { bed, options }: Pick<Scene, 'bed' | 'options'>,
  folder: string,
): Promise<Record<'seen' | 'new', Plan>> {
  const signing = signingOf(bed)
  return { seen: await tokensSeen(folder, signing), new: await tokensNew(folder, 'new', options, signing) }
}

const words: Readonly<Record<string, string>> = { seen: 'token seen before', new: 'every token new' }

function turnsOf(which: string, plan: Plan): Turn[] {
  return [nginx, haproxy, onbehalf].map((contender) => ({
    name: `${contender.name} ${which}`,
    title: `${contender.title}; ${words[which]}`,
    contender,
    plan,
    against: { nginx: `nginx ${which}`, haproxy: `haproxy ${which}` },
  }))
}
