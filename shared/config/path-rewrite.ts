// Compiles a pattern of Pomerium and what it is replaced by: RE2's syntax, with `\1` for a group.
import type { Rewrite, Substitution } from '../route-changes.ts'
import { parsePathRegex } from './path-regex.ts'

type Parsed =
  | { readonly value: Rewrite }
  | { readonly key: 'pattern' | 'substitution'; readonly fault: string }

export function parsePathRewrite(pattern: string, substitution: string): Parsed {
  // From anywhere in a path it would be tried again for each of its characters.
  if (!pattern.startsWith('^'))
    return { key: 'pattern', fault: 'must begin with ^, so that it is tried once' }
  if (hasLooseAlternative(pattern)) {
    return { key: 'pattern', fault: 'has an alternative that need not begin with ^; write ^(?:a|b)' }
  }
  const parsed = parsePathRegex(pattern)
  if ('fault' in parsed) return { key: 'pattern', fault: parsed.fault }
  const bare = parsed.value.source.slice('^(?:'.length, -')$'.length)
  const groups = new RegExp(`${bare}|`, 'u').exec('')?.length ?? 1
  const parts = parseSubstitution(substitution, groups)
  if (typeof parts === 'string') return { key: 'substitution', fault: parts }
  return { value: { pattern: new RegExp(bare, 'u'), substitution: parts } }
}

function hasLooseAlternative(pattern: string): boolean {
  let depth = 0
  for (const [text] of pattern.replaceAll(/\\[^]|\[(?:\\.|[^\]\\])*\]/g, '').matchAll(/[()|]/g)) {
    if (text === '|' && depth === 0) return true
    if (text !== '|') depth += text === '(' ? 1 : -1
  }
  return false
}

/** The parts, or what is wrong. */
function parseSubstitution(text: string, groups: number): Substitution | string {
  const parts: (string | number)[] = []
  for (const [part, digit, other] of text.matchAll(/\\(?:([0-9])|([^]?))|[^\\]+/g)) {
    if (digit === undefined && other === undefined) parts.push(part)
    else if (other === '\\') parts.push('\\')
    else if (digit === undefined) return 'has a backslash before what is neither a digit nor a backslash'
    else if (Number(digit) >= groups) return `names group ${digit}, which the pattern does not have`
    else parts.push(Number(digit))
  }
  return parts
}
