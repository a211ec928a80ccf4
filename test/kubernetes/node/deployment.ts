// A Deployment and its Service on a node: so many pods, and a rolling restart that starts one before it ends one.
import { setTimeout as pause } from 'node:timers/promises'
import type { PodTemplate } from '../../../deploy/kubernetes/injection/pod.ts'
import type { ClusterNode, ClusterService } from './node.ts'
import { startPod, type RunningPod } from './pod.ts'

export interface Rollout {
  readonly pods: readonly RunningPod[]
  /** Every pod replaced by a new one: maxSurge 1, maxUnavailable 0. Resolves when the old ones are gone. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** How long a pod that ends still gets new connections: endpoints take a while to reach every node. */
const propagationMs = 700

export async function roll(
  node: ClusterNode,
  service: ClusterService,
  template: PodTemplate,
  replicas: number,
): Promise<Rollout> {
  const pods: RunningPod[] = []
  let made = 0
  const publish = () =>
    node.setEndpoints(
      service,
      pods.map(({ address }) => address),
    )
  const add = async () => {
    const pod = await startPod(node, `${service.name}${made++}`, template)
    await pod.becomesReady()
    pods.push(pod)
    await publish()
  }
  const end = async (pod: RunningPod) => {
    pods.splice(pods.indexOf(pod), 1)
    const unpublished = pause(propagationMs).then(publish)
    await Promise.all([pod.end(), unpublished])
  }
  await Promise.all(Array.from({ length: replicas }, add))
  return {
    pods,
    async restart() {
      const ending: Promise<void>[] = []
      for (const old of pods.slice()) {
        await add()
        ending.push(end(old))
      }
      await Promise.all(ending)
    },
    async close() {
      await Promise.all(pods.splice(0).map((pod) => pod.end()))
    },
  }
}
