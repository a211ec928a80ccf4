// The whole way at 70 % of what it can carry, for an hour: a user comes in, and the app calls another service for him.
// Memory, descriptors and answers are what is looked at. It takes so long that only `ONLY=soak` measures it.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { freePort, isListening, ownFolder, type Bed } from '../bed.ts'
import { makeAuthority } from '../accounts.ts'
import { nginxCommand } from '../contenders/nginx-command.ts'
import { memory, openDescriptors } from '../proc.ts'
import { cores } from '../processes.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { startSink } from '../sink.ts'
import type { SoakCounts, SoakOrder } from '../soak/order.ts'
import { calleeHost, pairPorts, startPair, type Pair, type PairPorts } from './hop.ts'

export interface SoakResults extends SoakCounts {
  /** Requests per second that the way carries, one sent when another is answered. */
  readonly capacity: number
  /** Requests per second that were sent. */
  readonly rate: number
  /** Once a minute. */
  readonly along: readonly SoakSample[]
}

export interface SoakSample {
  readonly seconds: number
  readonly caller: Held
  readonly callee: Held
}

interface Held {
  readonly rss_mib: number
  readonly descriptors: number
}

const connections = 64
const share = 0.7
const capacitySeconds = 20
const sampleMs = 60_000

export const soak: Scenario<'soak', SoakResults> = {
  name: 'soak',
  commands: [],
  isLong: true,
  run: async (scene) => {
    const sink = await startSink(scene.bed)
    const ports = await pairPorts()
    const appPort = await startCallingApp(scene.bed, ports)
    const pair = await startPair(scene.bed, await makeAuthority(scene.bed), {
      ports,
      appPort,
      environment: sink.environment,
    })
    try {
      return await measureSoak(scene, pair)
    } finally {
      await Promise.all([pair.caller.stop(), pair.callee.stop()])
      await sink.stop()
    }
  },
}

async function measureSoak({ bed, options }: Scene, pair: Pair): Promise<SoakResults> {
  await runClient(bed, pair, { seconds: options.warmupSeconds })
  const fastest = await runClient(bed, pair, { seconds: capacitySeconds })
  const capacity = fastest.requests / fastest.seconds
  const rate = Math.round(capacity * share)
  console.error(`soak: ${capacity.toFixed(0)} requests/s at the most, ${rate} for ${options.minutes} min`)
  const watch = watchPair(pair)
  const counts = await runClient(bed, pair, { seconds: options.minutes * 60, rate })
  return { capacity, rate, ...counts, along: await watch.stop() }
}

/** Looks once a minute what both sidecars hold. */
function watchPair(pair: Pair) {
  const startedMs = performance.now()
  const along: SoakSample[] = []
  const look = async () => {
    const [caller, callee] = await Promise.all([heldBy(pair.caller.pid), heldBy(pair.callee.pid)])
    along.push({ seconds: (performance.now() - startedMs) / 1_000, caller, callee })
    console.error(`soak, ${(along.length - 1).toFixed(0)} min: ${inWords(caller)}; ${inWords(callee)}`)
  }
  let looked = look()
  const timer = setInterval(() => {
    looked = look()
  }, sampleMs)
  return {
    async stop(): Promise<SoakSample[]> {
      clearInterval(timer)
      await looked
      return along
    },
  }
}

async function heldBy(pid: number): Promise<Held> {
  const [{ rss_mib: rss }, descriptors] = await Promise.all([memory(pid), openDescriptors(pid)])
  return { rss_mib: rss, descriptors }
}

function inWords({ rss_mib: rss, descriptors }: Held): string {
  return `${rss.toFixed(0)} MiB, ${descriptors} descriptors`
}

type Load = Pick<SoakOrder, 'seconds' | 'rate'>

async function runClient(bed: Bed, pair: Pair, load: Load): Promise<SoakCounts> {
  const file = path.join(await ownFolder(bed.folder, 'soak'), 'order.json')
  const privateKeyPem = bed.key.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const order: SoakOrder = { port: pair.caller.port, connections, kid: bed.key.kid, privateKeyPem, ...load }
  await writeFile(file, JSON.stringify(order), { mode: 0o600 })
  const program = path.join(import.meta.dirname, '../soak/program.ts')
  return JSON.parse(await bed.processes.run(cores.load, [process.execPath, program, file])) as SoakCounts
}

/** An app that answers a request with what the other service answers, and knows its request by the handle. */
async function startCallingApp({ processes, folder }: Bed, { caller }: PairPorts): Promise<number> {
  const port = await freePort()
  const servers = `
  upstream outbound {
    server 127.0.0.1:${caller.outbound};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://outbound;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${calleeHost};
    }
  }`
  const command = await nginxCommand(await ownFolder(folder, 'calling-app'), servers)
  await processes.start('calling-app', cores.load, command).until(() => isListening(port))
  return port
}
