// What becomes of what the sidecars share, in the order in which it happens while requests go on.
import { listHostilities } from './hostilities.ts'
import { listOutages } from './outages.ts'
import { listRevocations } from './revocations.ts'
import { listRotations } from './rotations.ts'
import type { Happening, Scene } from './scene.ts'

export function listHappenings(scene: Scene): Happening[] {
  return [
    ...listOutages(scene),
    ...listRotations(scene),
    ...listHostilities(scene),
    ...listRevocations(scene),
  ]
}
