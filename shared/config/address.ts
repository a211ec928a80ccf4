// Hosts, URLs and listening addresses of the mesh file, from text to parts.
import { isIP } from 'node:net'
import { canonicalHost } from '../target.ts'
import type { Endpoint, ListenAddress } from './mesh.ts'

/** Either what was read, or what is wrong with the text and what to write instead. */
export type Parsed<T> = { readonly value: T } | { readonly fault: string }

/**
 * Parses `https://host[:port]` to an endpoint. User information, a path, a query and a fragment are faults,
 * since none of them would have an effect.
 */
export function parseOrigin(text: string): Parsed<Endpoint> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { fault: 'must be a URL with its scheme, such as https://app.example.com' }
  if (scheme !== 'https' && scheme !== 'http' && scheme !== 'h2c') {
    return { fault: `must be an http or https URL: ${scheme} is not served by this release` }
  }
  // To the parser of URLs a scheme that it does not know has hosts of another kind.
  const asHttp = scheme === 'h2c' ? text.replace(/^h2c/i, 'http') : text
  const url = /[\s\\]/.test(text) ? null : URL.parse(asHttp)
  if (url === null) return { fault: 'is not a valid URL; write it like https://app.example.com:8443' }
  if (url.username !== '' || url.password !== '') {
    return { fault: 'must not hold a user name or password: secrets come by file' }
  }
  if (
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    text.endsWith('?') ||
    text.endsWith('#')
  ) {
    return { fault: 'must end after the host and port: a path, query or fragment has no effect here' }
  }
  if (url.hostname.includes('*'))
    return { fault: 'must name one host: wildcards are not served by this release' }
  const host = hostOfUrl(url.hostname)
  if (host === '') return { fault: 'names no host' }
  const tls = scheme === 'https'
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
  if (port === 0) return { fault: 'must not have port 0' }
  return { value: { tls, host, port, ...(scheme === 'h2c' ? { h2c: true } : undefined) } }
}

/** Parses a host name or IP address as a request would name it: lower case, no port, no brackets. */
export function parseHost(text: string): Parsed<string> {
  if (text.includes('://')) return { fault: 'must be a host such as api.example.com, without a scheme' }
  if (text.includes('*')) return { fault: 'must name one host: wildcards are not served by this release' }
  if (isIP(text) === 6) return { value: canonicalHost(text.toLowerCase()) ?? text }
  if (/^(\[.*\]|[^:]*):[0-9]+$/.test(text)) return { fault: 'must be a host without a port' }
  const host = /^[A-Za-z0-9._\-[\]:]+$/.test(text) ? URL.parse(`http://${text}/`)?.hostname : undefined
  if (host === undefined || host === '') return { fault: 'must be a host such as api.example.com' }
  return { value: hostOfUrl(host) }
}

/** Parses `127.0.0.1:15006`, `[::1]:15006` or `localhost:15006`. Port 0 lets the system choose. */
export function parseListenAddress(text: string): Parsed<ListenAddress> {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  const isAddress = match?.[1] === undefined ? isIP(host) === 4 : isIP(host) === 6
  if (match === null || (!isAddress && host !== 'localhost')) {
    return { fault: 'must be an IP address and a port, such as 127.0.0.1:15006 or [::]:15006' }
  }
  if (port > 65_535) return { fault: 'must have a port from 0 to 65535' }
  return { value: { host, port } }
}

/** Whether an address, or the name `localhost`, can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === 'localhost' || (isIP(host) === 6 && canonicalHost(host.toLowerCase()) === '::1')
}

/** Whether `::` stands beside an IPv4 address of the same port, and so takes no IPv4 connections itself. */
export function isIpv6Only({ host, port }: ListenAddress, list: readonly ListenAddress[]): boolean {
  return host === '::' && list.some((other) => other.port === port && isIP(other.host) === 4)
}

/** As the hosts of requests are read: without brackets and final dot, addresses in their one spelling. */
function hostOfUrl(hostname: string): string {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return canonicalHost(bare.toLowerCase()) ?? ''
}
