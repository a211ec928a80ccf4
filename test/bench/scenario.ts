// What a scenario is: something that `make bench` measures, and `ONLY=name` measures alone.
import type { Bed } from './bed.ts'
import type { Contender } from './contenders/contender.ts'
import type { Options } from './options.ts'
import type { TurnResults } from './rounds.ts'

export interface Scenario<Name extends string = string, Results = unknown> {
  readonly name: Name
  /** Commands that must be installed beside those that the bench itself needs. */
  readonly commands: readonly string[]
  /** Is measured only where `ONLY` names it. */
  readonly isLong?: true
  readonly run: (scene: Scene) => Promise<Results>
}

export interface Scene {
  readonly bed: Bed
  readonly options: Options
  /** Those that can be measured here. */
  readonly contenders: readonly Contender[]
}

/** A scenario whose results are those of turns. */
export type TurnScenario<Name extends string> = Scenario<Name, TurnResults>
