// What a service says of its sessions to those that redeem them: signed by an account of its own.
import type { Revocations } from '../shared/assertion/verify.ts'
import type { Current } from './runtime.ts'
import { readStatement, signStatement, type Members, type Purpose } from './statement.ts'

export interface SessionStatements {
  /** Undefined where this service has no certificate to sign with. @param sinceMs milliseconds since the epoch. */
  sign(service: string, sinceMs: number, members: Members): string | undefined
  /** Undefined for what the service did not sign. */
  read(service: string, signed: string): Members | undefined
}

const purposeOf = (service: string): Purpose => ({ type: 'onbehalf-session+jwt', audience: service })

/** @param now milliseconds since the epoch. */
export function createSessionStatements(
  current: () => Current,
  revocations: Revocations,
  now: () => number,
): SessionStatements {
  return {
    sign(service, sinceMs, members) {
      const { minter } = current().credential
      return minter && signStatement(minter, purposeOf(service), sinceMs, members)
    },
    read(service, signed) {
      const { mesh, trust } = current().snapshot
      const accounts = mesh.accountsByService.get(service)
      if (accounts === undefined) return undefined
      const question = { ...purposeOf(service), accounts, trust, revocations, nowMs: now() }
      return readStatement(signed, question)?.members
    },
  }
}
