// Writes the alerts as an object of the Prometheus operator: `node deploy/kubernetes/install/prometheus-rule.ts`.
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

const deploy = path.join(import.meta.dirname, '../..')

const head = `# Made of observability/rules.yaml by install/prometheus-rule.ts.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: onbehalf
  namespace: onbehalf-system
spec:
`

/** The text of the file: the groups as they stand in rules.yaml. */
export async function prometheusRule(): Promise<string> {
  const rules = await readFile(path.join(deploy, 'observability/rules.yaml'), 'utf8')
  const groups = rules.slice(rules.indexOf('groups:\n'))
  return head + groups.replaceAll(/^(?=.)/gm, '  ')
}

if (import.meta.main)
  await writeFile(
    path.join(deploy, 'kubernetes/overlays/monitoring/prometheus-rule.yaml'),
    await prometheusRule(),
  )
