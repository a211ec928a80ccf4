// The golden manifests, byte for byte; and what a cluster would say of each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { parseAllDocuments } from 'yaml'
import type { PodSpec } from '../../deploy/kubernetes/injection/pod.ts'
import { uninjectManifest } from '../../deploy/kubernetes/manifest/manifest.ts'
import { workloadsIn, type Workload } from '../../deploy/kubernetes/manifest/workloads.ts'
import { readGoldens } from './golden.ts'
import { touched } from './invariants.ts'
import { validateObject } from './schemas.ts'
import { violations } from './security-standard.ts'

const objectsIn = (text: string): readonly unknown[] =>
  parseAllDocuments(text, { merge: true })
    .map((document) => document.toJS() as unknown)
    .filter((object) => object !== null)
const workloadsOf = (text: string): readonly Workload[] =>
  objectsIn(text).flatMap((object) => workloadsIn(object))

const goldens = await readGoldens()

test('there are enough of them', () => assert.ok(goldens.length >= 25, String(goldens.length)))

for (const { name, text, expected, result } of goldens) {
  const pairs = workloadsOf(text).map(
    (before, i) => [before, workloadsOf(result.text)[i] as Workload] as const,
  )
  const changed = pairs.filter(([before, after]) => !isDeepStrictEqual(before, after))

  test(`golden ${name}: byte for byte, and back`, () => {
    assert.deepEqual(result.problems, [])
    assert.equal(result.text, expected, 'run: node test/kubernetes/golden.ts --write')
    assert.equal(uninjectManifest(result.text).text, text)
    assert.ok(changed.length > 0)
  })

  test(`golden ${name}: an API server would take it`, () => {
    assert.deepEqual(objectsIn(text).flatMap(validateObject), [], 'as it was given')
    assert.deepEqual(objectsIn(result.text).flatMap(validateObject), [])
  })

  test(`golden ${name}: nothing that was there is touched but as it is said`, () => {
    for (const [before, after] of changed) assert.deepEqual(touched(before.pod, after.pod), [])
  })

  test(`golden ${name}: what is added keeps to the restricted standard, but for the redirection’s two capabilities`, () => {
    for (const [before, after] of changed) {
      const { redirection, rest } = addedTo(before.pod.spec, after.pod.spec)
      assert.deepEqual(violations(rest, 'restricted'), [])
      const capabilities = violations(redirection, 'baseline').map(
        (each) => /\b[A-Z_]+$/.exec(each)?.[0] ?? each,
      )
      assert.deepEqual(capabilities, redirection.containers.length === 0 ? [] : ['NET_ADMIN', 'NET_RAW'])
    }
  })
}

/** What an injection added, as pods of its own: whatever was there before is judged by others. */
function addedTo(before: PodSpec, after: PodSpec): { readonly redirection: PodSpec; readonly rest: PodSpec } {
  const names = new Set([...(before.initContainers ?? []), ...before.containers].map(({ name }) => name))
  const added = [...(after.initContainers ?? []), ...after.containers].filter(({ name }) => !names.has(name))
  const volumes = (after.volumes ?? []).slice(before.volumes?.length ?? 0)
  return {
    redirection: { containers: added.filter(({ name }) => name === 'onbehalf-redirect') },
    rest: { containers: added.filter(({ name }) => name === 'onbehalf'), volumes },
  }
}

test('the pod for a restricted namespace violates nothing there', () => {
  const golden = goldens.find(({ name }) => name === 'restricted')
  const [pod] = workloadsOf(golden?.result.text ?? '')
  assert.deepEqual(violations(pod?.pod.spec as PodSpec, 'restricted'), [])
})
