// Which contenders can be measured here: installed, and doing what they are measured for.
import type { Bed } from '../bed.ts'
import { versionOf } from '../conditions.ts'
import { checkValidity } from '../validity.ts'
import type { Contender } from './contender.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { onbehalf } from './onbehalf.ts'

export interface Available {
  readonly contenders: readonly Contender[]
  /** Why a contender was left out, by its name. */
  readonly leftOut: Readonly<Record<string, string>>
}

/** @throws Error where Onbehalf does not verify */
export async function findContenders(bed: Bed): Promise<Available> {
  const leftOut: Record<string, string> = {}
  const contenders: Contender[] = []
  for (const contender of [nginx, haproxy, onbehalf]) {
    const obstacle = await obstacleTo(contender, bed)
    if (obstacle === undefined) contenders.push(contender)
    else leftOut[contender.name] = obstacle
  }
  return { contenders, leftOut }
}

/** Why a contender cannot be measured; undefined: it can. Without the others there is less to compare, without ours nothing. */
async function obstacleTo(contender: Contender, bed: Bed): Promise<string | undefined> {
  const { command } = contender
  if (command !== undefined && versionOf(command, '-v') === undefined) return 'not installed'
  try {
    await checkValidity(contender, bed)
    return undefined
  } catch (error) {
    if (contender === onbehalf) throw error
    return (error as Error).message
  }
}
