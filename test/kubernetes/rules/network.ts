// What the API server asks of Services, network policies and disruption budgets (pkg/apis/core, networking and policy, each in validation).
import { isIP } from 'node:net'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import type { IService } from 'kubernetes-models/v1/Service'
import { labelProblems, selectorProblems } from './metadata.ts'
import { duplicates, isLabel, isPortName, isPortNumber, isSubdomain } from './text.ts'

type ServiceSpec = NonNullable<IService['spec']>
type ServicePort = NonNullable<ServiceSpec['ports']>[number]

/** ValidateService. */
export function serviceProblems({ spec }: IService): string[] {
  if (spec === undefined) return ['spec: is required']
  const { ports = [], type = 'ClusterIP', externalName = '', clusterIP } = spec
  const isExternal = type === 'ExternalName'
  const places = ports.map(({ protocol, port }) => `${protocol ?? 'TCP'} ${port}`)
  return [
    ...(isExternal && !isSubdomain(externalName) ? ['spec.externalName: is no name'] : []),
    ...(!isExternal && clusterIP !== 'None' && ports.length === 0 ? ['spec.ports: are required'] : []),
    ...(clusterIP === 'None' && (type === 'NodePort' || type === 'LoadBalancer')
      ? [`spec.clusterIP: may not be None for type ${type}`]
      : []),
    ...labelProblems(spec.selector ?? {}, 'spec.selector'),
    ...duplicates(ports.flatMap(({ name }) => name ?? [])).map(
      (name) => `spec.ports: two are named "${name}"`,
    ),
    ...duplicates(places).map((place) => `spec.ports: two are ${place}`),
    ...ports.flatMap((port, i) => servicePortProblems(port, `spec.ports[${i}]`, type, ports.length > 1)),
  ]
}

function servicePortProblems(
  { name = '', port, targetPort = port, nodePort }: ServicePort,
  path: string,
  type: string,
  isNamed: boolean,
): string[] {
  const isTarget = typeof targetPort === 'number' ? isPortNumber(targetPort) : isPortName(targetPort)
  return [
    ...(isNamed && name === '' ? [`${path}.name: is required where there are several`] : []),
    ...(name === '' || isLabel(name) ? [] : [`${path}.name: "${name}" is no name`]),
    ...(isPortNumber(port) ? [] : [`${path}.port: is no port`]),
    ...(isTarget ? [] : [`${path}.targetPort: "${targetPort}" is no port and no name of one`]),
    ...(nodePort !== undefined && nodePort !== 0 && type === 'ClusterIP'
      ? [`${path}.nodePort: may not be used with ClusterIP`]
      : []),
  ]
}

type PolicySpec = NonNullable<INetworkPolicy['spec']>
type PolicyRule = NonNullable<PolicySpec['ingress']>[number] & NonNullable<PolicySpec['egress']>[number]
type PolicyPort = NonNullable<PolicyRule['ports']>[number]
type Peer = NonNullable<PolicyRule['to']>[number]

/** ValidateNetworkPolicySpec. */
export function networkPolicyProblems({ spec }: INetworkPolicy): string[] {
  if (spec === undefined) return []
  const { ingress = [], egress = [] } = spec
  const rules: readonly (readonly [rule: PolicyRule, path: string])[] = [
    ...ingress.map((rule, i) => [rule, `spec.ingress[${i}]`] as const),
    ...egress.map((rule, i) => [rule, `spec.egress[${i}]`] as const),
  ]
  return [
    ...selectorProblems(spec.podSelector, 'spec.podSelector'),
    ...rules.flatMap(([{ ports = [], from = [], to = [] }, path]) => [
      ...ports.flatMap((port, i) => policyPortProblems(port, `${path}.ports[${i}]`)),
      ...[...from, ...to].flatMap((peer, i) => peerProblems(peer, `${path} peer ${i}`)),
    ]),
  ]
}

function policyPortProblems({ port, endPort }: PolicyPort, path: string): string[] {
  const isPort = port === undefined || (typeof port === 'number' ? isPortNumber(port) : isPortName(port))
  const isRange = typeof port === 'number' && (endPort ?? port) >= port && isPortNumber(endPort ?? port)
  return [
    ...(isPort ? [] : [`${path}.port: "${port}" is no port and no name of one`]),
    ...(endPort === undefined || isRange ? [] : [`${path}.endPort: ends no range`]),
  ]
}

function peerProblems({ ipBlock, podSelector, namespaceSelector }: Peer, path: string): string[] {
  const isSelecting = podSelector !== undefined || namespaceSelector !== undefined
  if (ipBlock === undefined && !isSelecting) return [`${path}: must specify a peer`]
  const { cidr = '', except = [] } = ipBlock ?? {}
  return [
    ...(ipBlock !== undefined && isSelecting ? [`${path}.ipBlock: may not stand beside a selector`] : []),
    ...(ipBlock === undefined ? [] : [cidr, ...except])
      .filter((network) => !isNetwork(network))
      .map((network) => `${path}.ipBlock: "${network}" is no network`),
    ...selectorProblems(podSelector, `${path}.podSelector`),
    ...selectorProblems(namespaceSelector, `${path}.namespaceSelector`),
  ]
}

function isNetwork(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/')
  const family = isIP(address)
  return (
    family !== 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  )
}

/** ValidatePodDisruptionBudgetSpec. */
export function disruptionBudgetProblems({ spec }: IPodDisruptionBudget): string[] {
  if (spec === undefined) return []
  const shares = [spec.minAvailable, spec.maxUnavailable].filter((share) => share !== undefined)
  return [
    ...(shares.length === 2 ? ['spec: minAvailable and maxUnavailable cannot be both set'] : []),
    ...shares
      .filter((share) => !isShare(share))
      .map((share) => `spec: "${share}" is no number and no percentage`),
    ...selectorProblems(spec.selector, 'spec.selector'),
  ]
}

function isShare(share: number | string): boolean {
  if (typeof share === 'number') return share >= 0
  return /^\d{1,3}%$/.test(share) && Number(share.slice(0, -1)) <= 100
}
