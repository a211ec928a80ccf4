// What the process itself costs: CPU, memory, and how late its one thread is.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'

const resolutionMs = 20
const nanosecondsPerSecond = 1e9
const microsecondsPerSecond = 1e6

/** @returns what ends the measuring. */
export function addProcessMetrics(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const startedAt = Math.round(Date.now() / 1000 - process.uptime())
  metrics.observedCounter(
    {
      name: 'process.cpu.time',
      unit: 's',
      help: 'CPU time of the process, in user and system mode together.',
      prometheusName: 'process_cpu_seconds_total',
    },
    () => {
      const { user, system } = process.cpuUsage()
      return [[{}, (user + system) / microsecondsPerSecond]]
    },
  )
  metrics.gauge(
    {
      name: 'process.memory.usage',
      unit: 'By',
      help: 'Resident memory of the process.',
      prometheusName: 'process_resident_memory_bytes',
    },
    () => [[{}, process.memoryUsage.rss()]],
  )
  metrics.gauge({ name: 'process.start_time', unit: 's', help: 'When the process began.' }, () => [
    [{}, startedAt],
  ])
  const read = {
    p50: () => delay.percentile(50),
    p99: () => delay.percentile(99),
    max: () => delay.max,
  }
  for (const [name, nanoseconds] of Object.entries(read)) {
    metrics.gauge(
      {
        name: `nodejs.eventloop.delay.${name}`,
        unit: 's',
        help: `Event loop delay since the start of the minute: ${name}.`,
      },
      () => [[{}, nanoseconds() / nanosecondsPerSecond]],
    )
  }
  // What was an hour ago is over.
  const renewed = setInterval(() => delay.reset(), 60_000)
  renewed.unref()
  return () => {
    clearInterval(renewed)
    delay.disable()
  }
}
