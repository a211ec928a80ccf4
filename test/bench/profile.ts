// Reads a CPU profile of V8: where the time went, by function.

/** The part of the format that is read here (Profiler.Profile of the Chrome DevTools Protocol). */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: {
      readonly functionName: string
      readonly url: string
      /** From 0. */
      readonly lineNumber: number
    }
  }[]
  /** Node ids. */
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

export interface SelfTime {
  /** Name, file and line. */
  readonly where: string
  /** Of all time but the idle one. */
  readonly share: number
}

/** The functions that took most time themselves, without what they called; largest first. */
export function selfTimes(profile: CpuProfile, count: number): SelfTime[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, number>()
  let total = 0
  for (const [i, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') continue
    const time = profile.timeDeltas[i] ?? 0
    total += time
    const where = whereOf(frame)
    times.set(where, (times.get(where) ?? 0) + time)
  }
  const sorted = [...times].sort(([, a], [, b]) => b - a)
  return sorted.slice(0, count).map(([where, time]) => ({ where, share: time / total }))
}

function whereOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${url.slice(url.lastIndexOf('/') + 1)}:${lineNumber + 1}`
}
