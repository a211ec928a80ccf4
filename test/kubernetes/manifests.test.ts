// Every object that is installed or shown is one that an API server takes, and its pods are as restricted as they can be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { render } from '../../deploy/kubernetes/install/kustomize.ts'
import { manifestFiles } from '../../deploy/kubernetes/install/manifests.ts'
import { demoFiles } from './demo-files.ts'
import { validateObject } from './schemas.ts'
import { violations } from './security-standard.ts'

const overlays = ['own-certificates', 'cert-manager', 'monitoring', 'redis-trial'] as const
const objects = [
  ...overlays.flatMap((name) => render(manifestFiles(), `kubernetes/overlays/${name}`)),
  ...render(await demoFiles(['cert-manager', 'redis-given']), '.'),
]

for (const object of objects) {
  const title = `${object.kind} ${object.metadata.name}`
  test(`${title}: an API server takes it`, () => {
    assert.deepEqual(validateObject(object), [])
  })
  const pod = object.spec?.template?.spec
  if (pod !== undefined)
    test(`${title}: its pods are within the restricted standard`, () => {
      assert.deepEqual(violations(pod, 'restricted'), [])
    })
}
