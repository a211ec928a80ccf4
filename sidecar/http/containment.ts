// An error of our own in the midst of a connection ends that connection and no other: the process goes on.

/** What such an error does not go beyond: a connection, or a request on it. */
export interface Contained {
  /** Ends it, and tells of an error that nobody foresaw. */
  fault(error: unknown): void
}

/** Does `work`, for whoever calls it outside of any request; what it throws would end the process. */
export function contained<Given extends readonly unknown[]>(
  within: Contained,
  work: (...given: Given) => void,
): (...given: Given) => void {
  return (...given) => {
    try {
      work(...given)
    } catch (error) {
      within.fault(error)
    }
  }
}
