// In which version of HTTP a request goes on.
import type { Endpoint } from '../../shared/config/mesh.ts'
import { headerValues } from '../../shared/head.ts'
import { isGrpc } from './grpc.ts'
import type { Incoming } from './incoming.ts'

/** `asked`: in HTTP/2 where the upstream speaks it, else in HTTP/1.1. */
export type NextVersion = '1.1' | '2.0' | 'asked'

/**
 * What came in HTTP/1.1 goes on in it. What came in HTTP/2 does where the upstream speaks it, which it says in its TLS
 * handshake, or in clear text by how it answers the connection preface; gRPC exists in HTTP/2 alone. `h2c` as a scheme,
 * as Pomerium has it, is HTTP/2 whatever came.
 */
export function nextVersion(upstream: Endpoint, { version, head, upgrade }: Incoming): NextVersion {
  if (upstream.h2c === true) return '2.0'
  // Few servers take a change of protocol in HTTP/2 (RFC 8441), all that take one do in HTTP/1.1.
  if (version !== '2.0' || upgrade !== undefined) return '1.1'
  const isGrpcInTheClear = !upstream.tls && headerValues(head.headers, 'content-type').some(isGrpc)
  return isGrpcInTheClear ? '2.0' : 'asked'
}
