// Answers the app's own probes and hooks in the kubelet's place: it carries no assertion, and no path of the app is exempt.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { parseAppProbes, type AppProbe } from '../../shared/config/app-probes.ts'
import type { Counter, Metrics } from '../telemetry/metrics.ts'
import { connectApp, type Asking } from './app-connection.ts'
import { askByGrpc } from './app-probe-grpc.ts'
import { askByHttp, runHook } from './app-probe-http.ts'

export type Outcome = 'success' | 'failure' | 'timeout'

/** What became of a probe, and one line for whoever reads the kubelet's events; never what the app said. */
interface Verdict {
  readonly outcome: Outcome
  readonly why: string
}

/** One that is under way, for all who ask in the meantime: whoever floods the sidecar shuts the kubelet out of nothing. */
interface UnderWay {
  readonly verdict: Promise<Verdict>
  readonly gone: AbortController
  waiting: number
}

const defaultUserAgent = 'kube-probe/1.0'

export class AppProbes {
  readonly #probes: ReadonlyMap<string, AppProbe>
  readonly #podIp: string | undefined
  readonly #count: Counter
  readonly #underWay = new Map<string, UnderWay>()
  readonly #waiting = new WeakSet<Socket>()

  constructor(probes: ReadonlyMap<string, AppProbe>, podIp: string | undefined, metrics: Metrics) {
    this.#probes = probes
    this.#podIp = podIp
    this.#count = metrics.counter({
      name: 'onbehalf.app_probes',
      unit: '{probe}',
      help: "The app's own probes and hooks that were asked in the kubelet's place, by path and outcome.",
    })
  }

  has(path: string): boolean {
    return this.#probes.has(path)
  }

  /** @param path one that it has. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    // Nobody who asks for a probe asks for the next before it is answered.
    if (this.#waiting.has(socket)) {
      socket.destroy()
      return
    }
    this.#waiting.add(socket)
    const asked = this.#underWay.get(path) ?? this.#begin(path, request.headers['user-agent'])
    asked.waiting++
    response.once('close', () => {
      this.#waiting.delete(socket)
      if (--asked.waiting > 0) return
      asked.gone.abort()
      this.#forget(path, asked)
    })
    const verdict = await asked.verdict
    this.#waiting.delete(socket)
    answer(path, verdict, request, response)
  }

  #begin(path: string, userAgent = defaultUserAgent): UnderWay {
    const gone = new AbortController()
    const asked: UnderWay = { verdict: this.#judge(path, userAgent, gone.signal), gone, waiting: 0 }
    this.#underWay.set(path, asked)
    void asked.verdict.then(({ outcome }) => {
      this.#count.add({ path, outcome })
      this.#forget(path, asked)
    })
    return asked
  }

  #forget(path: string, asked: UnderWay): void {
    if (this.#underWay.get(path) === asked) this.#underWay.delete(path)
  }

  async #judge(path: string, userAgent: string, gone: AbortSignal): Promise<Verdict> {
    const probe = this.#probes.get(path) as AppProbe
    const late = AbortSignal.timeout(probe.timeoutSeconds * 1_000)
    const asking = { podIp: this.#podIp, userAgent, signal: AbortSignal.any([late, gone]) }
    try {
      return await ask(probe, asking, isHook(path))
    } catch (error) {
      return failed(error, probe, asking.signal)
    }
  }
}

function answer(
  path: string,
  { outcome, why }: Verdict,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (outcome !== 'success' && isHook(path)) {
    // Any answer tells the kubelet that a hook has run.
    request.socket.destroy()
    return
  }
  const status = outcome === 'success' ? 200 : 503
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${why}\n`)
}

function isHook(path: string): boolean {
  return path.startsWith('/app-lifecycle/')
}

async function ask({ http, grpc, tcp }: AppProbe, asking: Asking, asHook: boolean): Promise<Verdict> {
  let why: string | undefined
  if (http !== undefined) why = await (asHook ? runHook : askByHttp)(http, asking)
  else if (grpc !== undefined) why = await askByGrpc(grpc, asking)
  else if (tcp !== undefined) (await connectApp(tcp.port, asking)).destroy()
  return why === undefined ? { outcome: 'success', why: 'ok' } : { outcome: 'failure', why }
}

/** Whoever asks may give up first: it has the same deadline. */
function failed(error: unknown, { timeoutSeconds }: AppProbe, signal: AbortSignal): Verdict {
  if (signal.aborted) return { outcome: 'timeout', why: `no answer within ${timeoutSeconds} s` }
  const { code } = error as NodeJS.ErrnoException
  return { outcome: 'failure', why: `the app cannot be asked${code === undefined ? '' : ` (${code})`}` }
}

/** @returns what is wrong with the variable, a line each, instead of the probes. Undefined where there are none. */
export function readAppProbes(
  env: NodeJS.ProcessEnv,
  metrics: Metrics,
): { readonly probes: AppProbes | undefined; readonly problems: readonly string[] } {
  const text = env['ONBEHALF_APP_PROBES'] ?? ''
  if (text === '') return { probes: undefined, problems: [] }
  const parsed = parseAppProbes(text)
  if ('faults' in parsed)
    return { probes: undefined, problems: parsed.faults.map((fault) => `ONBEHALF_APP_PROBES: ${fault}`) }
  return { probes: new AppProbes(parsed.value, env['ONBEHALF_POD_IP'] || undefined, metrics), problems: [] }
}
