// Whether an object has the fields and types of its kind: by the schemas of kubernetes-models, and by the attribute maps of Kubernetes' client.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export type Fields = Readonly<Record<string, unknown>>

interface Attribute {
  readonly baseName: string
  readonly type: string
}

interface SchemaError {
  readonly instancePath: string
  readonly keyword: string
  readonly params: Fields
}

interface Validate {
  (value: unknown): boolean
  readonly errors?: readonly SchemaError[] | null
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a server that decodes strictly would say (`fieldValidation=Strict`). */
export function structureProblems(object: Fields, apiVersion: string, kind: string): string[] {
  const names = namesOf(apiVersion, kind)
  const validate = names && (load(names.schema)?.['validate'] as Validate | undefined)
  if (names === undefined || validate === undefined || !isKind(names.model))
    return [`kind: ${apiVersion} has no ${kind}`]
  return [...schemaProblems(validate, object), ...unknownFields(object, names.model, '')]
}

interface Names {
  readonly schema: string
  readonly model: string
}

/** `apps/v1` and `Deployment` are `IoK8sApiAppsV1Deployment` to the one package and `V1Deployment` to the other. */
function namesOf(apiVersion: string, kind: string): Names | undefined {
  const parts = /^(?:([a-z0-9]+)[a-z0-9.]*\/)?(v\d+(?:(?:alpha|beta)\d+)?)$/.exec(apiVersion)
  if (parts === null || !/^[A-Z][A-Za-z]*$/.test(kind)) return undefined
  const [, group = 'core', version = ''] = parts
  const model = capitalised(version) + kind
  return { schema: `kubernetes-models/_schemas/IoK8sApi${capitalised(group)}${model}`, model }
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

const require = createRequire(import.meta.url)

/** Required, not imported: only what is asked for is loaded (a few milliseconds for each kind), and nobody has to await it. */
function load(specifier: string): Fields | undefined {
  const path = fileURLToPath(import.meta.resolve(specifier))
  return existsSync(path) ? (require(path) as Fields) : undefined
}

function schemaProblems(validate: Validate, object: Fields): string[] {
  if (validate(object)) return []
  const errors = validate.errors ?? []
  const choices = new Set(
    errors.filter(({ keyword }) => keyword === 'oneOf').map(({ instancePath }) => instancePath),
  )
  return errors
    .filter(({ instancePath, keyword }) => keyword === 'oneOf' || !choices.has(instancePath))
    .map(wording)
}

function wording({ instancePath, keyword, params }: SchemaError): string {
  const path = pathOf(instancePath)
  switch (keyword) {
    case 'required':
      return `${path === '' ? '' : `${path}.`}${String(params['missingProperty'])}: is required`
    case 'type':
      return `${path}: is no ${String(params['type'])}`
    case 'enum':
      return `${path}: is none of ${(params['allowedValues'] as readonly unknown[]).join(', ')}`
    case 'format':
      return `${path}: is no ${String(params['format'])}`
    default:
      return `${path}: has another form (${keyword})`
  }
}

/** A JSON pointer as the API server writes paths. */
function pathOf(pointer: string): string {
  return pointer
    .slice(1)
    .split('/')
    .map((part) =>
      /^\d+$/.test(part) ? `[${part}]` : `.${part.replaceAll('~1', '/').replaceAll('~0', '~')}`,
    )
    .join('')
    .replace(/^\./, '')
}

const listForm = /^Array<(.+)>$/
const mapForm = /^\{ \[key: string\]: (.+); \}$/

function unknownFields(value: unknown, type: string, path: string): string[] {
  const item = listForm.exec(type)?.[1]
  if (item !== undefined)
    return asList(value).flatMap((each, i) => unknownFields(each, item, `${path}[${i}]`))
  if (!isFields(value)) return []
  const entry = mapForm.exec(type)?.[1]
  if (entry !== undefined)
    return Object.entries(value).flatMap(([key, each]) => unknownFields(each, entry, `${path}[${key}]`))
  if (!isModel(type)) return []
  const attributes = attributesOf(type)
  return Object.entries(value).flatMap(([key, each]) => {
    const attribute = attributes.find(({ baseName }) => baseName === key)
    const at = path === '' ? key : `${path}.${key}`
    return attribute === undefined ? [`${at}: is no field`] : unknownFields(each, attribute.type, at)
  })
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isModel(type: string): boolean {
  return /^[A-Z]/.test(type) && type !== 'Date' && type !== 'IntOrString'
}

function isKind(model: string): boolean {
  if (load(fileOf(model)) === undefined) return false
  return attributesOf(model).some(({ baseName }) => baseName === 'apiVersion')
}

function fileOf(model: string): string {
  return `@kubernetes/client-node/dist/gen/models/${model}.js`
}

function attributesOf(model: string): readonly Attribute[] {
  const type = load(fileOf(model))?.[model] as { getAttributeTypeMap(): readonly Attribute[] } | undefined
  // A field whose type is not there would be a field that nothing is said about.
  if (type === undefined) throw new Error(`@kubernetes/client-node has no ${model}`)
  return type.getAttributeTypeMap()
}
