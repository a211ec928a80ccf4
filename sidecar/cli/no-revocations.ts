// What a command knows of revocations: only a running sidecar knows any.
import type { Revocations } from '../../shared/assertion/verify.ts'

export const noRevocations: Revocations = {
  isRevoked: () => false,
  isKeyRevoked: () => false,
  version: 0,
  gap: undefined,
}
