// Writes the reference of the annotations from their table: `node deploy/kubernetes/install/annotations-page.ts`.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { annotations } from '../injection/annotations.ts'
import { prefix } from '../injection/names.ts'

const intro = `# Annotations of a pod

They stand at the pod: in a Deployment below \`spec.template.metadata\`. Values are texts, so \`'true'\` is quoted. One that is misspelt, or has a wrong value, refuses the pod with its reason.

| annotation | values | default | |
|---|---|---|---|
`

const end = `
<!-- Made of injection/annotations.ts by install/annotations-page.ts. -->
`

export function annotationsPage(): string {
  const rows = Object.entries(annotations).map(
    ([name, { values, default: fallback, about }]) =>
      `| \`${prefix}${name}\` | ${values} | ${fallback} | ${about} |\n`,
  )
  return intro + rows.join('') + end
}

if (import.meta.main) await writeFile(path.join(import.meta.dirname, '../annotations.md'), annotationsPage())
