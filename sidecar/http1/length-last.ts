// A list of headers as Node writes it unchanged.

/**
 * Node reads the value of `Content-Disposition` as UTF-8 once it has seen a `Content-Length`, and so changes or refuses
 * bytes that are to pass as they are. Behind all others, the length has no such effect; its place means nothing.
 */
export function lengthLast(headers: string[]): string[] {
  const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length')
  if (at !== -1) headers.push(...headers.splice(at, 2))
  return headers
}
