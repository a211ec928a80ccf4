// How long and how often is measured: from the environment, as `make bench ROUNDS=3 SECONDS=5` gives it.

export interface Options {
  readonly rounds: number
  /** The length of each timed window. */
  readonly seconds: number
  /** The load before each timed window, which is not counted. */
  readonly warmupSeconds: number
  /** After how many requests memory is looked at for the last time. */
  readonly requests: number
  /** How long a soak takes. */
  readonly minutes: number
  /** Writes a CPU profile of Onbehalf instead of comparing it: a profiled process is a slower one. */
  readonly profile: boolean
  /** Measures this scenario alone, and leaves the other results as they are. */
  readonly only: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * @param names of the scenarios.
 * @throws Error that says which variable is wrong
 */
export function readOptions(environment: Environment, names: readonly string[]): Options {
  return {
    rounds: readCount(environment, 'ROUNDS', 5, 999),
    seconds: readCount(environment, 'SECONDS', 10, 999),
    warmupSeconds: readCount(environment, 'WARMUP', 3, 999),
    requests: readCount(environment, 'REQUESTS', 1_000_000, 999_999_999),
    minutes: readCount(environment, 'MINUTES', 60, 9_999),
    only: readOnly(environment, names),
    profile: !['', '0', 'false'].includes(environment['PROFILE'] ?? ''),
  }
}

function readOnly(environment: Environment, names: readonly string[]): string | undefined {
  const text = environment['ONLY'] ?? ''
  if (text === '') return undefined
  if (names.includes(text)) return text
  throw new Error(`ONLY must be one of ${names.join(', ')}, not ${JSON.stringify(text)}`)
}

function readCount(environment: Environment, name: string, byDefault: number, most: number): number {
  const text = environment[name] ?? ''
  if (text === '') return byDefault
  if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text)
  throw new Error(`${name} must be a whole number from 1 to ${most}, not ${JSON.stringify(text)}`)
}
