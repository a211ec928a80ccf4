// What this service's calls are made with: the account's minted assertion, or its Pomerium token.
import type { Route } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Redacted } from '../../shared/redacted.ts'
import type { Passage } from '../../shared/evidence/evidence.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { pomeriumTokenHeader } from './files.ts'
import type { Linker } from './linker.ts'
import type { Minter } from './minter.ts'

export interface Credential {
  readonly minter: Minter | undefined
  readonly pomeriumToken: Redacted | undefined
  /**
   * The header that carries the credential for one route, name and value: made for exactly this route's host. Then
   * `x-onbehalf-via`, where there is a passage and a certificate to sign a link with.
   * @param withChain whether the account's certificates travel in them; default: yes.
   * @throws {Refusal} `credential_unavailable`.
   */
  headersFor(route: Route, withChain?: boolean, passage?: Passage): CredentialHeaders
}

export type CredentialHeaders = readonly [name: string, value: string, ...evidence: string[]]

export function createCredential(
  minter: Minter | undefined,
  pomeriumToken: Redacted | undefined,
  linker?: Linker,
): Credential {
  function credentialFor(route: Route, withChain: boolean): readonly [string, string] {
    if (route.via === 'pomerium') {
      if (pomeriumToken === undefined) throw unavailable('credential.token_file')
      return pomeriumTokenHeader(route.tokenForm, pomeriumToken)
    }
    if (minter === undefined) throw unavailable('credential.certificate and credential.key, and mesh')
    return ['X-Pomerium-Jwt-Assertion', minter.assertionFor(route.host, withChain)]
  }

  return {
    minter,
    pomeriumToken,
    headersFor(route, withChain = true, passage) {
      const credential = credentialFor(route, withChain)
      if (linker === undefined || passage === undefined) return credential
      return [...credential, headerNames.via, linker.viaFor(route, passage, withChain)]
    },
  }
}

function unavailable(keys: string): Refusal {
  return new Refusal(
    'credential_unavailable',
    `This service has nothing to make this call with: the mesh file gives it no usable ${keys}.`,
  )
}
