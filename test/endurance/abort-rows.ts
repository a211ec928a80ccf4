// The table of aborts: each stage of an exchange, on each side of a sidecar, with who leaves and how.
import type { Way } from './abort-ground.ts'
import { stages, tunnel } from './abort-stages.ts'
import type { Trial } from './break-off.ts'

export interface AbortRow extends Pick<Trial, 'stage' | 'who' | 'cut'> {
  readonly way: Way
}

const staged: readonly Pick<AbortRow, 'way' | 'stage'>[] = [
  ...(['inbound', 'outbound'] as const).flatMap((way) => stages.map((stage) => ({ way, stage }))),
  { way: 'outbound', stage: tunnel },
]

export const abortRows: readonly AbortRow[] = staged.flatMap((row) =>
  (['client', 'upstream'] as const).flatMap((who) =>
    (['FIN', 'RST'] as const).map((cut) => ({ ...row, who, cut })),
  ),
)
