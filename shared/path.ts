// Reads the path of a request one way for every decision, and knows when another parser might read it otherwise.

const slash = 0x2f
const dot = 0x2e
const percent = 0x25
const question = 0x3f
const hash = 0x23
const backslash = 0x5c

/**
 * The path of an origin-form target: without query, dot segments resolved, duplicate slashes merged, escapes of
 * unreserved characters decoded (RFC 3986 section 6.2.2). What does not begin with `/` (as `*`) stays as it is.
 * Idempotent; a clean path costs one scan.
 */
export function normalizePath(target: string): string {
  let isClean = true
  let end = 0
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end)
    if (code === question) break
    if (code === percent) isClean = false
    if (code === slash && mayNeedMerging(target.charCodeAt(end + 1))) isClean = false
  }
  const path = end === target.length ? target : target.slice(0, end)
  return isClean || path.charCodeAt(0) !== slash ? path : normalizeSegments(path)
}

function mayNeedMerging(code: number): boolean {
  return code === slash || code === dot
}

function normalizeSegments(path: string): string {
  const segments: string[] = []
  let endsInSlash = false
  for (const raw of path.slice(1).split('/')) {
    const segment = decodeUnreserved(raw)
    endsInSlash = segment === '' || segment === '.' || segment === '..'
    if (segment === '..') segments.pop()
    if (!endsInSlash) segments.push(segment)
  }
  const joined = segments.join('/')
  return endsInSlash && joined !== '' ? `/${joined}/` : `/${joined}`
}

const brokenEscape = /%(?![0-9A-Fa-f]{2})/
const unreserved = /[A-Za-z0-9._~-]/

/** A broken escape could be completed by what is decoded behind it: then nothing of the segment is decoded. */
function decodeUnreserved(segment: string): string {
  if (!segment.includes('%') || brokenEscape.test(segment)) return segment
  return segment.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return unreserved.test(character) ? character : escape
  })
}

/**
 * The path as an app will read it, every escape decoded once; for comparisons only. Two spellings of one path
 * (`/@me`, `/%40me`) are the same here. A path that is not UTF-8 stays as it is.
 */
export function decodePath(path: string): string {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/**
 * Whether two parsers could read the path of an origin-form target differently, so that a rule decides about one
 * path and the app serves another. The query is never looked at. Linear; a path without escapes costs one scan.
 */
export function isAmbiguousPath(target: string): boolean {
  // Not origin form, which has no path of its own: only `*` (RFC 9112 section 3.2.4) can be nothing else.
  if (target.charCodeAt(0) !== slash) return target !== '*'
  let isDeep = false
  let end = 0
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end)
    if (code === question) break
    if (isAmbiguousCharacter(code)) return true
    if (code === slash && beginsAmbiguousSegment(target, end + 1)) return true
    if (code !== percent) continue
    const escaped = readEscape(target, end)
    if (escaped === undefined || isAmbiguousEscape(escaped)) return true
    if (escaped === percent || escaped >= 0x80) isDeep = true
  }
  return isDeep && isAmbiguousWhenDecoded(target.slice(0, end))
}

/**
 * Control characters and blanks end a path for some parsers and are dropped by others; a literal backslash is a
 * slash to Windows and WHATWG parsers; `#` begins a fragment for who parses the target as a URL; bytes beyond ASCII
 * are Latin-1 to one and UTF-8 to the next.
 */
function isAmbiguousCharacter(code: number): boolean {
  return code <= 0x20 || code >= 0x7f || code === backslash || code === hash
}

/**
 * An escaped dot, slash or backslash is a separator to who decodes before splitting and a letter to who splits
 * first; an escaped control character (`%00`) ends the path for who stands on C strings.
 */
function isAmbiguousEscape(code: number): boolean {
  return code === dot || code === slash || code === backslash || code < 0x20 || code === 0x7f
}

/**
 * Empty segments are merged by some and kept by others. Dot segments are resolved by some and passed on by others;
 * with a `;` behind the dots (escaped or not) by those that first cut off path parameters (Tomcat, Jetty).
 */
function beginsAmbiguousSegment(target: string, start: number): boolean {
  const first = target.charCodeAt(start)
  if (first === slash) return true
  if (first !== dot) return false
  const end = target.charCodeAt(start + 1) === dot ? start + 2 : start + 1
  if (end === target.length) return true
  return /^(?:[/?;]|%3b|%25)/i.test(target.slice(end, end + 3))
}

/** The character that the escape at `index` stands for; undefined where it is none: some drop it, some keep it. */
function readEscape(text: string, index: number): number | undefined {
  const high = hexDigit(text.charCodeAt(index + 1))
  const low = hexDigit(text.charCodeAt(index + 2))
  return high < 0 || low < 0 ? undefined : high * 16 + low
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** Escapes of escapes hide a separator from who decodes once; what is not UTF-8 hides one in overlong forms. */
function isAmbiguousWhenDecoded(path: string): boolean {
  return hidesSeparator(path) || !isUtf8(path)
}

/** Decodes to any depth in one pass: each character is pushed once, and each decoding removes two. */
function hidesSeparator(path: string): boolean {
  const decoded: number[] = []
  for (let i = 0; i < path.length; i++) {
    decoded.push(path.charCodeAt(i))
    while (decoded.at(-3) === percent) {
      const high = hexDigit(decoded.at(-2) as number)
      const low = hexDigit(decoded.at(-1) as number)
      if (high < 0 || low < 0) break
      const code = high * 16 + low
      if (isAmbiguousEscape(code)) return true
      decoded.length -= 3
      decoded.push(code)
    }
  }
  return false
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/**
 * What is wrong with a path, or a part of one, that rules are to compare requests with; undefined if nothing.
 * @param before what stands for the part before it, where it is not the beginning.
 */
export function pathFault(path: string, isOpenEnded: boolean, before = ''): string | undefined {
  if (path.includes('?')) return 'The query is no part of the path: leave out ? and what follows.'
  if (!`${before}${path}`.startsWith('/')) return 'Paths begin with a slash.'
  // Blanks and letters beyond ASCII may be written as such: requests carry them escaped, and escapes are decoded.
  const written = path.replaceAll(/[ \u0080-\uffff]/g, 'x')
  if (!isAmbiguousPath(`${before}${written}${isOpenEnded ? 'x' : ''}`)) return undefined
  return `Never matches: a path with //, dot segments, backslashes, #, or escapes of them is refused before rules are asked. Write it plainly${normalizedHint(path)}.`
}

function normalizedHint(path: string): string {
  const normalized = normalizePath(path)
  return normalized === path || isAmbiguousPath(normalized) ? '' : `, as ${normalized}`
}
