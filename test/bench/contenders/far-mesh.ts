// Services in a row, App at its end, for what comes on behalf of users.
import { meshIssuer, stationAccount, stationHost, stationName } from '../accounts.ts'
import type { Bed } from '../bed.ts'
import { appRoute, pomeriumOf, serviceOf, usersOfDomain, type Members, type Ports } from './mesh.ts'

export const linkCounts = [1, 2, 4, 8]

/** Each station may be where users come in. */
export function farMesh(bed: Bed, ports: Ports, ca: string): Members {
  const stations = Array.from({ length: Math.max(...linkCounts) }, (_, index) => ({
    name: stationName(index),
    from: `https://${stationHost(index)}`,
    to: 'http://127.0.0.1:1',
    policy: usersOfDomain,
    account: stationAccount(index),
  }))
  const policy = [
    { allow: { and: [{ issuer: { is: 'mesh' } }, { original_user: usersOfDomain[0]?.allow.or[0] }] } },
  ]
  return {
    issuers: [pomeriumOf(bed)],
    mesh: { issuer: meshIssuer, ca, evidence: 'verify' },
    routes: [...stations, { ...appRoute(ports.inbound), policy }],
    services: { App: { ...serviceOf(ports, bed.upstreamPort), calls: [] } },
    log: { level: 'warn', access: 'off' },
  }
}
