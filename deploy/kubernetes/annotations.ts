// Writes the reference of the pods' annotations from their one table: `node deploy/kubernetes/annotations.ts`.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { annotations } from './injection/annotations.ts'

const intro = `# Annotations of a pod

Each begins with \`onbehalf.dev/\` and stands in the pod's own metadata (of a Deployment: \`spec.template.metadata.annotations\`). One that is unknown or has another value is refused with the reason.

<!-- Made of the table by deploy/kubernetes/annotations.ts. -->

| annotation | values | default | |
|---|---|---|---|
`

export function annotationsPage(): string {
  const rows = Object.entries(annotations).map(
    ([name, { values, default: otherwise, about }]) =>
      `| \`${name}\` | ${values} | ${otherwise} | ${about} |\n`,
  )
  return intro + rows.join('')
}

if (process.argv[1] === import.meta.filename)
  await writeFile(path.join(import.meta.dirname, 'annotations.md'), annotationsPage())
