// What this service's calls are made with: the account's minted assertion, or its Pomerium token.
import type { Route } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Redacted } from '../../shared/redacted.ts'
import { pomeriumTokenHeader } from './files.ts'
import type { Minter } from './minter.ts'

export interface Credential {
  readonly minter: Minter | undefined
  readonly pomeriumToken: Redacted | undefined
  /**
   * The header that carries the credential for one route, name and value: made for exactly this route's host.
   * @param withChain whether the account's certificates travel in it; default: yes.
   * @throws {Refusal} `credential_unavailable`.
   */
  headersFor(route: Route, withChain?: boolean): Promise<readonly [name: string, value: string]>
}

export function createCredential(
  minter: Minter | undefined,
  pomeriumToken: Redacted | undefined,
): Credential {
  return {
    minter,
    pomeriumToken,
    async headersFor(route, withChain) {
      if (route.via === 'pomerium') {
        if (pomeriumToken === undefined) throw unavailable('credential.token_file')
        return pomeriumTokenHeader(route.tokenForm, pomeriumToken)
      }
      if (minter === undefined) throw unavailable('credential.certificate and credential.key, and mesh')
      return ['X-Pomerium-Jwt-Assertion', await minter.assertionFor(route.host, withChain)]
    },
  }
}

function unavailable(keys: string): Refusal {
  return new Refusal(
    'credential_unavailable',
    `This service has nothing to make this call with: the mesh file gives it no usable ${keys}.`,
  )
}
