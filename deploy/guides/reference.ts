// Writes the reference of the mesh file from its schema: `node deploy/guides/reference.ts`.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { publishedSchema } from '../../sidecar/cli/schema.ts'

interface Schema {
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
  readonly required?: readonly string[]
}

interface Row {
  readonly key: string
  readonly schema: Schema
  readonly isRequired: boolean
}

const intro = `# Reference of the mesh file

Every key, as \`onbehalf schema\` has it. In a service's entry (\`services.<name>\`) stand its own keys, and any key of the top but \`routes\`, where it wins. \`[]\` is each entry of a list, \`<name>\` each name of a map. What no default is given for is left out, or said to be required.

<!-- Made of the schema by deploy/guides/reference.ts. -->
`

export async function referencePage(): Promise<string> {
  const schema = (await publishedSchema()) as Schema
  const top = Object.keys(schema.properties ?? {}).filter((key) => key !== 'routes' && key !== 'services')
  const sections = Object.entries(schema.properties ?? {}).map(([key, section]) => {
    const rows = rowsOf(key, section, schema.required?.includes(key) === true).filter(
      (row) => key !== 'services' || !top.some((name) => row.key.startsWith(`services.<name>.${name}`)),
    )
    return `## ${key}\n\n| key | default | |\n|---|---|---|\n${rows.map(formatRow).join('')}`.replaceAll(
      '\\\n',
      '\n',
    )
  })
  return [intro, ...sections].join('\n')
}

function rowsOf(key: string, schema: Schema, isRequired: boolean): Row[] {
  const own = { key, schema, isRequired }
  // A policy has a language of its own: https://www.pomerium.com/docs/internals/ppl.
  if (key.endsWith('.policy')) return [own]
  const variants = [schema, ...(schema.anyOf ?? [])]
  const parts = variants.flatMap((variant) => [
    ...Object.entries(variant.properties ?? {}).flatMap(([name, child]) =>
      rowsOf(`${key}.${name}`, child, variant.required?.includes(name) === true),
    ),
    ...(variant.items === undefined ? [] : rowsOf(`${key}[]`, variant.items, false).slice(1)),
    ...(typeof variant.additionalProperties === 'object'
      ? rowsOf(`${key}.<name>`, variant.additionalProperties, false).slice(1)
      : []),
  ])
  return [own, ...parts]
}

function formatRow({ key, schema, isRequired }: Row): string {
  const values = schema.enum ?? schema.anyOf?.flatMap(({ const: value, enum: list }) => list ?? value ?? [])
  const choices = values === undefined || values.length === 0 ? '' : ` One of ${values.map(code).join(', ')}.`
  const fallback = isRequired ? 'required' : isPlain(schema.default) ? code(schema.default) : ''
  const about = `${schema.description ?? ''}${choices}`.replaceAll('|', '\\\\|').trim()
  return `| \`${key}\` | ${fallback} | ${about} |\n`
}

function isPlain(value: unknown): boolean {
  return value !== undefined && (typeof value !== 'object' || (Array.isArray(value) && value.length === 0))
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

if (import.meta.main) await writeFile(path.join(import.meta.dirname, 'reference.md'), await referencePage())
