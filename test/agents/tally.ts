// What became of the calls of a cell: each is of exactly one kind.

export interface Tally {
  /** Arrived, or would have been let out, for the user who caused it. */
  right: number
  /** For another user. */
  wrong: number
  /** For none: as the service account's own call. */
  account: number
  /** Refused by the sidecar: as ambiguous, as lost, or for want of a user. */
  refused: number
}

export function createTally(): Tally {
  return { right: 0, wrong: 0, account: 0, refused: 0 }
}

const refusals: ReadonlySet<string> = new Set([
  'original_user_ambiguous',
  'original_user_lost',
  'original_user_required',
])

/** Whether a call was refused because of its user, as a refusal of any other kind would be a fault of the test. */
export function isUserRefusal(code: string): boolean {
  return refusals.has(code)
}

/** @param carried the user that a call names; undefined for none. */
export function count(tally: Tally, caused: string, carried: string | undefined): void {
  if (carried === undefined) tally.account++
  else if (carried === caused) tally.right++
  else tally.wrong++
}
