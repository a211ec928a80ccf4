// Mesh files, beside the same values written as JSON, which is YAML too: both are taken, or neither; and whatever is
// wrong has its place in the file.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { readDocument } from '../../shared/config/document.ts'
import { loadMesh, type LoadedMesh } from '../../shared/config/load.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated, spliced } from './mutation.ts'

const design = readFileSync(new URL('../shared/config/good/design.yaml', import.meta.url), 'utf8')
const small = `issuers:
  - {name: pomerium, accept: {exact: [pomerium-proxy]}, jwks: {file: jwks.json}}
routes:
  - {from: https://app.example.com, to: http://127.0.0.1:15006, name: App, policy: [{allow: {or: [{domain: example.com}]}}]}
`
const pieces = [
  ...`{}[]:,-#&*!|>?%@"'\\ \n\t\0é`.split(''),
  ...'---\n << &a  *a !!str  |\n null true 017 1e9 ~ __proto__ name: https:// *.example.com 5s 64KiB'.split(
    ' ',
  ),
  '? ',
  ': ',
  '- ',
  '  ',
  '10.0.0.0/8',
]

fuzz('mesh-files', { cases: 150, atLeast: { outcome: 'taken', oneIn: 16 } }, (chance) => {
  const text = anyText(chance)
  const yaml = load(text)
  const lines = text.split('\n')
  for (const { file, line, column, message } of yaml.problems) {
    if (file !== 'mesh.yaml') continue
    assert.ok(
      line >= 1 && line <= lines.length && column >= 1,
      JSON.stringify({ text, message, line, column }),
    )
  }
  const isTaken = yaml.mesh !== undefined
  assert.equal(isTaken, !yaml.problems.some(({ severity }) => severity === 'error'), text)
  const { value, faults } = readDocument(text)
  if (value === undefined || faults.length > 0) return 'not to be read'
  const written = JSON.stringify(value)
  // Such as 1e999.
  if (!isDeepStrictEqual(JSON.parse(written), value)) return 'no JSON'
  const json = load(written)
  assert.deepEqual(said(json), said(yaml), text)
  return isTaken ? 'taken' : 'refused'
})

function anyText(chance: Chance): string {
  const text = chance(3) === 0 ? design : small
  return mutated(chance(16) === 0 ? spliced(design, small, chance) : text, pieces, chance)
}

function load(text: string): LoadedMesh {
  return loadMesh({ file: 'mesh.yaml', text, service: 'App' })
}

/** All that does not tell where in the file it stands. */
function said({ problems, services, policyKinds }: LoadedMesh): unknown {
  const words = problems.map(({ severity, path, message }) => JSON.stringify([severity, path, message]))
  return { problems: words.toSorted(), services, policyKinds }
}
