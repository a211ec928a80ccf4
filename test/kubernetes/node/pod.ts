// A pod as a kubelet runs it: init containers in turn, native sidecars before the rest, probes, hooks, and the order of the end.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type {
  Container,
  Handler,
  PodTemplate,
  Probe,
  Volume,
} from '../../../deploy/kubernetes/injection/pod.ts'
import { startContainer, type ContainerPlace, type RunningContainer } from './container.ts'
import { makeEmptyDir, writeVolume } from './filesystem.ts'
import type { ClusterNode } from './node.ts'

export interface RunningPod {
  readonly name: string
  readonly address: string
  /** Its network namespace. */
  readonly network: string
  isReady(): boolean
  /** @throws {Error} with what the containers wrote, where it does not become ready in time. */
  becomesReady(): Promise<void>
  container(name: string): RunningContainer
  /** How often each was started again. */
  readonly restarts: ReadonlyMap<string, number>
  /** Ends it as the deletion of a pod does. @returns the containers in the order in which they ended, with exit status */
  end(): Promise<readonly (readonly [string, number | null])[]>
  output(): string
}

const readyWithinMs = 60_000

export async function startPod(node: ClusterNode, name: string, template: PodTemplate): Promise<RunningPod> {
  const { spec } = template
  const network = await node.bridge.addPod(name)
  const address = network.addresses.ipv4
  const folder = join(node.folder, 'pods', name)
  await mkdir(folder, { recursive: true })
  const volumes = await makeVolumes(node, folder, spec.volumes ?? [])
  const running = new Map<string, RunningContainer>()
  const started = new Set<string>()
  const ready = new Set<string>()
  const restarts = new Map<string, number>()
  const ended: RunningContainer[] = []
  const order: (readonly [string, number | null])[] = []
  let isEnding = false
  node.whenEnding(() => {
    isEnding = true
  })

  const placeOf = (container: Container): ContainerPlace => {
    const image = node.images[imageName(container)]
    assert.ok(image !== undefined, `there is no image ${container.image}`)
    return {
      network: network.name,
      folder: join(folder, container.name),
      image,
      volumes,
      hosts: node.hosts,
      fields: {
        'metadata.name': name,
        'metadata.namespace': 'shop',
        'spec.nodeName': 'node-1',
        'status.podIP': address,
      },
    }
  }
  const handle = async (
    handler: Handler,
    container: RunningContainer,
    timeoutMs: number,
  ): Promise<boolean> => {
    if (handler.exec !== undefined)
      return (await container.exec((handler.exec as { readonly command: readonly string[] }).command)) === 0
    const { httpGet } = handler
    assert.ok(httpGet !== undefined && typeof httpGet.port === 'number', 'only HTTP and exec are known here')
    const asked = { host: address, port: httpGet.port, path: httpGet.path ?? '/', timeoutMs }
    const { status } = await node.agent.tell('get', {
      ...asked,
      headers: { 'User-Agent': 'kube-probe/1.34' },
    })
    return status >= 200 && status < 400
  }
  const probe = (each: Probe, container: RunningContainer) =>
    handle(each, container, (each.timeoutSeconds ?? 1) * 1_000)
  const run = async (container: Container): Promise<RunningContainer> => {
    const process = await startContainer(container, placeOf(container))
    running.set(container.name, process)
    node.processes.add(process)
    void process.ended.then(async (status) => {
      ready.delete(container.name)
      started.delete(container.name)
      if (isEnding) return void order.push([container.name, status])
      const count = (restarts.get(container.name) ?? 0) + 1
      restarts.set(container.name, count)
      ended.push(process)
      // At once for the first time, then later and later.
      await pause(count === 1 ? 0 : 1_000 * count)
      if (!isEnding) await startUp(container)
    })
    return process
  }
  /** Until it counts as started; its readiness is looked after from then on. */
  const startUp = async (container: Container): Promise<void> => {
    const process = await run(container)
    if (container.lifecycle?.postStart) await handle(container.lifecycle.postStart, process, readyWithinMs)
    while (container.startupProbe && !(await probe(container.startupProbe, process))) {
      if (process.hasEnded() || isEnding) return
      await pause((container.startupProbe.periodSeconds ?? 10) * 1_000)
    }
    started.add(container.name)
    if (container.readinessProbe) void watchReadiness(container, process, container.readinessProbe)
    else ready.add(container.name)
  }
  const watchReadiness = async (container: Container, process: RunningContainer, each: Probe) => {
    while (!process.hasEnded()) {
      if (await probe(each, process)) ready.add(container.name)
      else ready.delete(container.name)
      // A kubelet asks more often until it is ready for the first time.
      await pause((each.periodSeconds ?? 10) * (ready.has(container.name) ? 1_000 : 250))
    }
  }

  const init = spec.initContainers ?? []
  const sidecars = init.filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const container of init) {
    if (isEnding) break
    if (sidecars.includes(container)) {
      await startUp(container)
      continue
    }
    const process = await startContainer(container, placeOf(container))
    node.processes.add(process)
    assert.equal(await process.ended, 0, `init container ${container.name}: ${process.output()}`)
  }
  for (const container of spec.containers) await startUp(container)
  const counted = [...sidecars, ...spec.containers]
  const output = () =>
    [...ended, ...running.values()].map((each) => `--- ${each.name}\n${each.output()}`).join('\n')
  const isReady = () => counted.every((container) => ready.has(container.name))
  /** The hook first, then its turn, then SIGTERM; SIGKILL when the grace period is over. */
  const endOne = async (container: Container, turn: Promise<unknown>, deadlineMs: number) => {
    const process = running.get(container.name)
    if (process === undefined || process.hasEnded()) return
    const left = () => Math.max(2_000, deadlineMs - performance.now())
    const hook = container.lifecycle?.preStop
    if (hook) await Promise.race([handle(hook, process, left()), pause(left(), undefined, { ref: false })])
    await Promise.race([turn, pause(left(), undefined, { ref: false })])
    process.signal('SIGTERM')
    const late = setTimeout(() => process.signal('SIGKILL'), left())
    await process.ended
    clearTimeout(late)
  }
  const end = async () => {
    isEnding = true
    const deadlineMs = performance.now() + (spec.terminationGracePeriodSeconds ?? 30) * 1_000
    const main = Promise.all(spec.containers.map((each) => endOne(each, Promise.resolve(), deadlineMs)))
    let turn: Promise<unknown> = main
    const rest = sidecars.toReversed().map((each) => (turn = endOne(each, turn, deadlineMs)))
    await Promise.all([main, ...rest])
    await node.bridge.removePod(name)
    return order
  }
  return {
    name,
    address,
    network: network.name,
    restarts,
    isReady,
    output,
    end,
    container: (each) => {
      const found = running.get(each)
      assert.ok(found !== undefined, `there is no container ${each}`)
      return found
    },
    async becomesReady() {
      const late = performance.now() + readyWithinMs
      while (!isReady()) {
        assert.ok(performance.now() < late, `${name} is not ready:\n${output()}`)
        await pause(50)
      }
    },
  }
}

function imageName({ image }: Container): string {
  return (image ?? '').replace(/^.*\//, '').replace(/[:@].*$/, '')
}

async function makeVolumes(
  node: ClusterNode,
  folder: string,
  volumes: readonly Volume[],
): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>()
  for (const volume of volumes) {
    const at = join(folder, `volume-${volume.name}`)
    await makeVolume(node, at, volume)
    made.set(volume.name, at)
  }
  return made
}

async function makeVolume({ objects }: ClusterNode, at: string, volume: Volume): Promise<void> {
  const { configMap, secret, emptyDir } = volume as {
    readonly configMap?: { readonly name: string; readonly defaultMode?: number }
    readonly secret?: { readonly secretName: string; readonly defaultMode?: number }
    readonly emptyDir?: object
  }
  if (emptyDir !== undefined) return makeEmptyDir(at)
  const name = configMap === undefined ? `secret/${secret?.secretName}` : `configmap/${configMap.name}`
  const files = objects.get(name)
  assert.ok(files !== undefined, `there is no ${name}`)
  return writeVolume(at, files, (configMap ?? secret)?.defaultMode ?? 0o644)
}
