// `onbehalf schema`: the published JSON Schema against the loader that decides.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { readDocument } from '../../shared/config/document.ts'
import { compilePolicy } from '../../shared/policy/compile.ts'
import { publishedSchema, schema, type JsonSchema } from '../../sidecar/cli/schema.ts'

const published = await publishedSchema()

/** Enough of JSON Schema for what is published; throws on a keyword that it does not know. */
function faultsOf(node: JsonSchema, value: unknown, path = ''): string[] {
  const { definitions } = published as { definitions: Record<string, JsonSchema> }
  return Object.entries(node).flatMap(([keyword, word]): string[] => {
    const fault = (isSound: boolean): string[] => (isSound ? [] : [`${path}: ${keyword}`])
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    switch (keyword) {
      case '$ref':
        return faultsOf(definitions[String(word).replace('#/definitions/', '')] as JsonSchema, value, path)
      case 'type':
        return fault([word].flat().some((type) => isOfType(value, String(type))))
      case 'properties':
        if (!isMap) return []
        return Object.entries(word as Record<string, JsonSchema>).flatMap(([key, inner]) =>
          Object.hasOwn(value, key)
            ? faultsOf(inner, (value as Record<string, unknown>)[key], `${path}.${key}`)
            : [],
        )
      case 'additionalProperties': {
        if (!isMap) return []
        const known = Object.keys(node['properties'] ?? {})
        const patterns = Object.keys(node['patternProperties'] ?? {})
        const others = Object.entries(value).filter(
          ([key]) => !known.includes(key) && !patterns.some((pattern) => new RegExp(pattern).test(key)),
        )
        return others.flatMap(([key, inner]) =>
          word === false
            ? [`${path}.${key}: unknown`]
            : faultsOf(word as JsonSchema, inner, `${path}.${key}`),
        )
      }
      case 'patternProperties':
        if (!isMap) return []
        return Object.entries(word as Record<string, JsonSchema>).flatMap(([pattern, inner]) =>
          Object.entries(value).flatMap(([key, given]) =>
            new RegExp(pattern).test(key) ? faultsOf(inner, given, `${path}.${key}`) : [],
          ),
        )
      case 'required':
        return isMap
          ? (word as string[]).flatMap((key) =>
              Object.hasOwn(value, key) ? [] : [`${path}.${key}: missing`],
            )
          : []
      case 'items':
        return Array.isArray(value)
          ? value.flatMap((item, i) => faultsOf(word as JsonSchema, item, `${path}[${i}]`))
          : []
      case 'anyOf':
        return fault((word as JsonSchema[]).some((each) => faultsOf(each, value, path).length === 0))
      case 'allOf':
        return (word as JsonSchema[]).flatMap((each) => faultsOf(each, value, path))
      case 'not':
        return fault(faultsOf(word as JsonSchema, value, path).length > 0)
      case 'enum':
        return fault((word as unknown[]).includes(value))
      case 'const':
        return fault(word === value)
      case 'pattern':
        return fault(typeof value !== 'string' || new RegExp(String(word)).test(value))
      case 'minLength':
        return fault(typeof value !== 'string' || value.length >= Number(word))
      case 'maxLength':
        return fault(typeof value !== 'string' || value.length <= Number(word))
      case 'minimum':
        return fault(typeof value !== 'number' || value >= Number(word))
      case 'maximum':
        return fault(typeof value !== 'number' || value <= Number(word))
      case 'minItems':
        return fault(!Array.isArray(value) || value.length >= Number(word))
      case 'minProperties':
        return fault(!isMap || Object.keys(value).length >= Number(word))
      case 'maxProperties':
        return fault(!isMap || Object.keys(value).length <= Number(word))
      case 'propertyNames':
        return isMap ? Object.keys(value).flatMap((key) => faultsOf(word as JsonSchema, key, path)) : []
      case '$schema':
      case '$id':
      case 'title':
      case 'definitions':
      case 'description':
      case 'examples':
      case 'default':
      case 'deprecated':
        return []
      default:
        throw new Error(`the check does not know ${keyword}`)
    }
  })
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}

/** Every schema that describes a key, with where it is. */
function keysOf(node: unknown, path: string): [string, JsonSchema][] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([keyword, inner]) => {
    const deeper = keysOf(inner, `${path}/${keyword}`)
    if (keyword !== 'properties' && keyword !== 'patternProperties') return deeper
    return [
      ...Object.entries(inner as Record<string, JsonSchema>).map(([key, each]): [string, JsonSchema] => [
        `${path}/${key}`,
        each,
      ]),
      ...deeper,
    ]
  })
}

test('the command prints it, with its title, as draft 7', async () => {
  let printed = ''
  const io = {
    stdout: { write: (text: string) => void (printed += text) },
    stderr: { write: () => undefined },
    env: {},
    cwd: '/',
  }
  assert.equal(await schema([], io), 0)
  const body = JSON.parse(printed)
  assert.equal(body.$schema, 'http://json-schema.org/draft-07/schema#')
  assert.equal(body.title, 'Onbehalf mesh file')
  assert.ok(body.$id)
  assert.equal(await schema(['--nope'], io), 2)
})

test('every key has a description', () => {
  const keys = keysOf(published, '')
  assert.ok(keys.length > 150)
  const bare = keys.filter(
    ([, each]) => typeof each['description'] !== 'string' || each['description'].length < 5,
  )
  assert.deepEqual(
    bare.map(([path]) => path),
    [],
  )
})

const goodFolder = new URL('../shared/config/good/', import.meta.url)

for (const name of readdirSync(goodFolder)) {
  test(`it accepts good/${name}`, () => {
    assert.deepEqual(faultsOf(published, parse(readFileSync(new URL(name, goodFolder), 'utf8'))), [])
  })
}

const brokenFolder = new URL('../shared/config/broken/', import.meta.url)

test('it finds unknown and missing keys, wrong kinds and wrong words, as the loader does', () => {
  for (const name of [
    'unknown-keys',
    'missing-route-keys',
    'wrong-kinds',
    'choices',
    'empty-values',
    'no-routes',
    'algorithms',
  ]) {
    const { value } = readDocument(readFileSync(new URL(`${name}.yaml`, brokenFolder), 'utf8'))
    assert.notDeepEqual(faultsOf(published, value), [], name)
  }
})

test('policies are described: what the compiler takes it takes, and misspelt words it does not', () => {
  const route = (
    published as { properties: { routes: { items: { properties: Record<string, JsonSchema> } } } }
  ).properties.routes.items
  const policy = route.properties['policy'] as JsonSchema
  const sound = [
    { accept: true },
    { reject: true },
    { cors_preflight: true },
    { authenticated_user: true },
    { http_method: { in: ['GET', 'HEAD'] } },
    { http_path: { starts_with: '/a' } },
    { source_ip: ['10.0.0.0/8'] },
    { source_ip: '10.0.0.1' },
    { client_certificate: { uri: 'spiffe://mesh/a' } },
    { date: { after: '2030-01-31' } },
    { day_of_week: 'mon-fri' },
    { time_of_day: { timezone: 'UTC', after: '9AM' } },
    { user: 'a' },
    { email: { is: 'a@b.c' } },
    { domain: { ends_with: 'b.c' } },
    { groups: { has: 'a' } },
    { issuer: 'mesh' },
    { 'claim/family_name': 'Smith' },
    { chain: { has: 'a' } },
    { original_user: { email: 'a@b.c', 'claim/x': { has: 'y' } } },
  ]
  const described = Object.keys(
    (published as { definitions: { criterion: { properties: object } } }).definitions.criterion.properties,
  )
  const tried = new Set(sound.map((criterion) => Object.keys(criterion)[0] as string))
  assert.deepEqual(
    described.filter((name) => !tried.has(name)),
    [],
  )
  for (const criterion of sound) {
    const rules = [{ allow: { and: [criterion] } }]
    assert.deepEqual(errorsOf(rules), [], JSON.stringify(criterion))
    assert.deepEqual(faultsOf(policy, rules), [], JSON.stringify(criterion))
  }
  for (const rules of [
    [{ alow: { or: [] } }],
    { allow: { xor: [] } },
    { allow: { or: [{ domian: 'a' }] } },
    { allow: { or: [{ domain: { iz: 'a' } }] } },
  ]) {
    assert.notDeepEqual(errorsOf(rules), [])
    assert.notDeepEqual(faultsOf(policy, rules), [])
  }
})

function errorsOf(policy: unknown): string[] {
  const errors: string[] = []
  const problems = {
    error: (_: unknown, message: string) => void errors.push(message),
    warn: () => undefined,
  }
  compilePolicy({ policy }, { issuerNames: new Set(['mesh']) }, [], problems)
  return errors
}
