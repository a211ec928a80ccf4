// The init container that redirects the pod's connections: the only one with a capability, and it ends at once.
import type { Wishes } from './annotations.ts'
import { redirectName, sidecarUid } from './names.ts'
import type { Container, PodSpec } from './pod.ts'
import { redirectResources } from './resources.ts'

export function redirectContainer(image: string, wishes: Wishes, spec: PodSpec): Container {
  return {
    name: redirectName,
    image,
    args: ['apply', '--uid', String(sidecarUid), ...exclusions(wishes)],
    resources: redirectResources(wishes, spec.resources),
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

function exclusions(wishes: Wishes): string[] {
  const lists = ['exclude-inbound-ports', 'exclude-outbound-ports', 'exclude-outbound-ranges'] as const
  const given = lists.flatMap((name) => {
    const list = wishes[name]
    return list === undefined ? [] : [`--${name}`, list.join(',')]
  })
  return wishes['ipv4-only'] === true ? [...given, '--ipv4-only'] : given
}
