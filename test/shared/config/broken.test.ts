// Golden files: each file under broken/ holds a faulty mesh file and, behind `#=>`, every line that it is answered with.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadMesh } from '../../../shared/config/load.ts'
import { formatProblem } from '../../../shared/config/problem.ts'

const folder = new URL('broken/', import.meta.url)
const marker = '#=> '

for (const name of readdirSync(folder)) {
  test(`broken/${name} is answered with exactly the problems written in it`, () => {
    const lines = readFileSync(new URL(name, folder), 'utf8').split('\n')
    const text = lines.filter((line) => !line.startsWith(marker)).join('\n')
    const expected = lines.filter((line) => line.startsWith(marker)).map((line) => line.slice(marker.length))
    // A first line `# service: NAME` stands for --service.
    const service = /^# service: (.+)$/m.exec(lines[0] ?? '')?.[1]
    const { mesh, problems } = loadMesh({ file: 'f', text, ...(service === undefined ? {} : { service }) })
    assert.deepEqual(
      problems.map((problem) => formatProblem(problem).replace(/^f:/, '')),
      expected,
    )
    assert.equal(
      mesh === undefined,
      problems.some((problem) => problem.severity === 'error'),
    )
  })
}

test('no message repeats a secret that stands in the wrong place', () => {
  for (const name of ['inline-secrets.yaml', 'jwks.yaml', 'from-urls.yaml', 'pomerium-keys-refused.yaml']) {
    const text = readFileSync(new URL(name, folder), 'utf8').replaceAll(/^#=>.*$/gm, '')
    const { problems } = loadMesh({ file: 'f', text })
    const messages = problems.map((problem) => problem.message).join('\n')
    assert.notEqual(messages, '')
    assert.doesNotMatch(messages, /MC4CAQ|MIIB|eyJ|secretword|hunter2/)
  }
})
