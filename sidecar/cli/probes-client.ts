// Asks a running sidecar by its probes listener, as the kubelet does.
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ListenAddress, Mesh } from '../../shared/config/mesh.ts'

export interface ProbeAnswer {
  readonly status: number
  readonly body: string
}

/**
 * Asks at all addresses of `listen.probes`: one of a family that this machine lacks is not listened at.
 * @returns the first answer of 200, else any other; undefined where nobody answers, or before the signal.
 */
export async function askProbes(
  { listen }: Mesh,
  target: string,
  signal?: AbortSignal,
): Promise<ProbeAnswer | undefined> {
  const answered = new AbortController()
  const either = signal === undefined ? answered.signal : AbortSignal.any([signal, answered.signal])
  const others: ProbeAnswer[] = []
  const asking = listen.probes.map(async (address) => {
    const answer = await ask(address, target, either)
    if (answer.status === 200) return answer
    others.push(answer)
    throw new Error(`it answers ${answer.status}`)
  })
  try {
    return await Promise.any(asking)
  } catch {
    return others[0]
  } finally {
    answered.abort()
  }
}

/** What stands for all addresses is asked at the loopback of its own family: another may listen at the other one. */
const loopbacks: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

async function ask({ host, port }: ListenAddress, path: string, signal: AbortSignal): Promise<ProbeAnswer> {
  const request = httpRequest({ host: loopbacks[host] ?? host, port, path, agent: false, signal })
  request.on('error', () => undefined)
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: await text(response) }
}
