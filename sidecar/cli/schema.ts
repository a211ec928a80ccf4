// `onbehalf schema`: the JSON Schema of the mesh file, for completion and checks in editors.
import { exitStatus, type Io } from './io.ts'
import { readOptions } from './options.ts'

const usage = `Usage: onbehalf schema

Prints the JSON Schema of the mesh file, for completion and checks in editors.

Example:
  onbehalf schema > onbehalf.schema.json
and as the first line of the mesh file:
  # yaml-language-server: $schema=onbehalf.schema.json

Options:
  -h, --help          This text.

Exit status: 0 done, 2 wrong use.
`

/** @returns 0, or 2 for wrong use. */
export async function schema(args: string[], io: Io): Promise<number> {
  try {
    const { values } = readOptions(args, { help: { type: 'boolean', short: 'h' } }, false)
    if (values.help === true) {
      io.stdout.write(usage)
      return exitStatus.done
    }
  } catch (error) {
    io.stderr.write(
      `onbehalf schema: ${error instanceof Error ? error.message : String(error)}\nSee onbehalf schema --help.\n`,
    )
    return exitStatus.wrong
  }
  io.stdout.write(`${JSON.stringify(await publishedSchema(), null, 2)}\n`)
  return exitStatus.done
}

export type JsonSchema = { readonly [keyword: string]: unknown }

/** JSON Schema, draft 7: the one that editors read best. */
export async function publishedSchema(): Promise<JsonSchema> {
  // Only this command needs them; a running sidecar should not carry them in memory.
  const [{ toJsonSchema }, { meshFileSchema }, { pplSchema, pplDefinitions }] = await Promise.all([
    import('@valibot/to-json-schema'),
    import('../../shared/config/schema.ts'),
    import('../../shared/config/ppl-schema.ts'),
  ])
  const raw = toJsonSchema(meshFileSchema, {
    target: 'draft-07',
    typeMode: 'input',
    // What JSON Schema has no word for is checked by the loader alone.
    ignoreActions: ['raw_check', 'check'],
  }) as unknown as JsonSchema
  const { $schema, $ref, $defs } = raw
  const body = inline({ $ref }, $defs as Readonly<Record<string, unknown>>) as JsonSchema
  return {
    $schema,
    $id: 'urn:onbehalf:mesh-file',
    title: 'Onbehalf mesh file',
    ...withPolicies(body, pplSchema),
    definitions: pplDefinitions,
  }
}

/** Definitions are put where they are used: so each key shows its own description. */
function inline(node: unknown, definitions: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(node)) return node.map((item) => inline(item, definitions))
  if (typeof node !== 'object' || node === null) return node
  const { $ref, ...rest } = node as JsonSchema
  const target =
    typeof $ref === 'string'
      ? (inline(definitions[$ref.slice('#/$defs/'.length)], definitions) as JsonSchema)
      : {}
  const own = Object.entries(rest).map(([key, value]) => [key, inline(value, definitions)])
  return { ...target, ...Object.fromEntries(own) }
}

function withPolicies(root: JsonSchema, ppl: JsonSchema): JsonSchema {
  const replaced = structuredClone(root) as {
    properties: { routes: { items: { properties: Record<string, JsonSchema> } } }
  }
  const route = replaced.properties.routes.items.properties
  route['policy'] = { ...route['policy'], ...ppl }
  return replaced
}
