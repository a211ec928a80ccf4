// What the API server asks of resources of a pod as a whole (KEP-2837; pkg/apis/core/validation: validatePodResourceConsistency).
import { parseQuantity } from './text.ts'
import { isRestartable, type Container, type PodSpec } from './types.ts'

/** What its containers ask for together is within what it asks for, and no container may use more than it may. */
export function podResourceProblems(spec: PodSpec, path: string): string[] {
  const { requests = {}, limits = {} } = spec.resources ?? {}
  return [
    ...Object.entries(requests)
      .filter(([name, quantity]) => aggregate(spec, name) > amount(quantity))
      .map(([name]) => `${path}.resources.requests: ${name} is less than its containers ask for`),
    ...spec.containers.flatMap(({ resources = {} }, i) =>
      Object.entries(resources.limits ?? {})
        .filter(([name, quantity]) => name in limits && amount(quantity) > amount(limits[name]))
        .map(([name]) => `${path}.containers[${i}].resources.limits: ${name} is more than the pod's`),
    ),
  ]
}

/** AggregateContainerRequests: init containers run one by one, beside the sidecars before them. */
function aggregate({ containers, initContainers = [] }: PodSpec, name: string): bigint {
  let sidecars = 0n
  let most = 0n
  for (const container of initContainers) {
    const asked = requestOf(container, name)
    if (isRestartable(container)) sidecars += asked
    else if (sidecars + asked > most) most = sidecars + asked
  }
  const together = containers.reduce((sum, container) => sum + requestOf(container, name), sidecars)
  return together > most ? together : most
}

/** A container that has a limit alone asks for that. */
function requestOf({ resources = {} }: Container, name: string): bigint {
  return amount(resources.requests?.[name] ?? resources.limits?.[name])
}

function amount(quantity: string | number = 0): bigint {
  return parseQuantity(quantity) ?? 0n
}
