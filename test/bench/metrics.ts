// Reads what a sidecar tells Prometheus.

/** The sum of a metric's points whose labels hold this text. 0 where there are none. */
export function readMetric(text: string, name: string, label = ''): number {
  return text
    .split('\n')
    .filter((line) => /^[\w:]+/.exec(line)?.[0] === name && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
