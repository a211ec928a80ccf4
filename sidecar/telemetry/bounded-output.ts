// Bounds what waits for whoever reads the log: a reader that stands still costs lines, and not the memory of the process.
import type { LogOutput } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What is taken and not written yet. */
const maxQueuedBytes = 4 * 1024 * 1024

export function boundOutput(output: LogOutput, metrics: Metrics): LogOutput {
  const dropped = metrics.counter({
    name: 'onbehalf.log_dropped',
    unit: '{line}',
    help: 'Lines of the log and of the access log that were lost, since what reads them is too slow.',
  })
  return {
    isTTY: output.isTTY,
    write(text) {
      if ((output.writableLength ?? 0) > maxQueuedBytes) dropped.add({})
      else output.write(text)
    },
  }
}
