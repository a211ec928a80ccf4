// Where an issuer's keys come from: a URL that cannot be tampered with on the way, or a file.
import { isLoopback, type Parsed } from './address.ts'
import { parseFileName } from './fields.ts'
import type { Issuer } from './mesh.ts'

export function parseJwksSource(given: string): Parsed<Issuer['jwks']> {
  if (given.trimStart().startsWith('{')) return { fault: 'must be a URL or the name of a file with the keys' }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    const file = parseFileName(given)
    return 'fault' in file ? file : { value: { kind: 'file', file: file.value } }
  }
  const url = /[\s\\]/.test(given) ? null : URL.parse(given)
  if (url === null || (scheme !== 'https' && scheme !== 'http')) {
    return { fault: 'must be an https URL, or the name of a file' }
  }
  if (url.username !== '' || url.password !== '') {
    return { fault: 'must not hold a user name or password: an issuer publishes its keys to everyone' }
  }
  if (scheme === 'http' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) {
    return {
      fault:
        'must be https: over http anyone on the way could put in keys of their own (http on loopback only)',
    }
  }
  return { value: { kind: 'url', url: url.href } }
}
