// A limit that nobody can use up for all the others: at it a little more is for addresses that hold next to nothing.

/** Beyond the limit, of it. */
const shareForOthers = 1 / 10
/** Of the limit, which is next to nothing; one in any case. */
const littleShare = 1 / 100

export class FairLimit {
  readonly #heldBy = new Map<string, number>()
  #held = 0

  get held(): number {
    return this.#held
  }

  take(address: string): void {
    this.#held++
    this.#heldBy.set(address, (this.#heldBy.get(address) ?? 0) + 1)
  }

  release(address: string): void {
    this.#held--
    const left = (this.#heldBy.get(address) ?? 0) - 1
    if (left > 0) this.#heldBy.set(address, left)
    else this.#heldBy.delete(address)
  }

  /**
   * To be asked when `address` has taken one more.
   * @param limit 0: none.
   */
  isExceededBy(address: string, limit: number): boolean {
    if (limit === 0 || this.#held <= limit) return false
    const hasLittle = (this.#heldBy.get(address) ?? 0) <= Math.max(1, Math.floor(limit * littleShare))
    return !hasLittle || this.#held > limit + Math.floor(limit * shareForOthers)
  }
}
