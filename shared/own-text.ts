// A text that keeps no other one in memory.

/** V8 makes a part of a text a view of it: kept for long, it would keep the whole head of the request that it came in. */
export function ownText(text: string): string {
  return Buffer.from(text).toString()
}
