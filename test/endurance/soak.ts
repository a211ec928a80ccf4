// How much longer than usual the endurance tests run: SOAK=10 multiplies repetitions and bytes by ten.

/** From the environment; 1 where nothing, or nothing usable, is said. */
export const soak = factorOf(process.env['SOAK'])

/** So many, times the factor. */
export function scaled(count: number): number {
  return Math.ceil(count * soak)
}

function factorOf(text: string | undefined): number {
  const factor = Number(text ?? '1')
  return Number.isFinite(factor) && factor > 0 ? factor : 1
}
