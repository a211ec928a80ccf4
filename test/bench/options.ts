// How long and how often is measured: from the environment, as `make bench ROUNDS=3 SECONDS=5` gives it.

export interface Options {
  readonly rounds: number
  /** The length of each timed window. */
  readonly seconds: number
  /** The load before each timed window, which is not counted. */
  readonly warmupSeconds: number
  /** Writes a CPU profile of Onbehalf instead of comparing it: a profiled process is a slower one. */
  readonly profile: boolean
  /** Measures revocation alone, and leaves the other results as they are. */
  readonly revocationOnly: boolean
}

/** @throws Error that says which variable is wrong */
export function readOptions(environment: Readonly<Record<string, string | undefined>>): Options {
  return {
    rounds: readCount(environment, 'ROUNDS', 5),
    seconds: readCount(environment, 'SECONDS', 10),
    warmupSeconds: readCount(environment, 'WARMUP', 3),
    revocationOnly: readOnly(environment) === 'revocation',
    profile: !['', '0', 'false'].includes(environment['PROFILE'] ?? ''),
  }
}

function readOnly(environment: Readonly<Record<string, string | undefined>>): 'revocation' | undefined {
  const text = environment['ONLY'] ?? ''
  if (text === '') return undefined
  if (text === 'revocation') return text
  throw new Error(`ONLY must be revocation, not ${JSON.stringify(text)}`)
}

function readCount(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  byDefault: number,
): number {
  const text = environment[name] ?? ''
  if (text === '') return byDefault
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new Error(`${name} must be a whole number from 1 to 999, not ${JSON.stringify(text)}`)
}
