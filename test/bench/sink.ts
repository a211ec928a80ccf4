// Where a sidecar with telemetry on sends it: a collector beside the load.
import path from 'node:path'
import { exchange } from '../../deploy/demo/exchange.ts'
import { freePort, isListening, type Bed } from './bed.ts'
import { cores } from './processes.ts'

export interface Sink {
  /** Turns all signals on: traces at 10 %, metrics and logs. */
  readonly environment: Readonly<Record<string, string>>
  /** How many documents with spans came. */
  readonly traces: () => Promise<number>
  readonly stop: () => Promise<void>
}

export async function startSink({ processes }: Bed): Promise<Sink> {
  const port = await freePort()
  const program = path.join(import.meta.dirname, 'sink-program.ts')
  const sink = processes.start('sink', cores.load, [process.execPath, program, String(port)])
  await sink.until(() => isListening(port))
  return {
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.1',
    },
    traces: async () => {
      const { body } = await exchange({ port, target: '/taken', headers: [['Host', '127.0.0.1']] })
      return (JSON.parse(body) as { traces: number }).traces
    },
    stop: sink.stop,
  }
}
