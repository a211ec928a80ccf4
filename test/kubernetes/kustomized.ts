// The real kustomize, in kubectl, for comparison.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../../deploy/kubernetes/install/kustomize.ts'

/** Why nothing can be compared here; false where it can. */
export const skipWithoutKubectl =
  spawnSync('kubectl', ['version', '--client']).status === 0 ? false : 'kubectl is not installed'

export function kustomized(folder: string): KubernetesObject[] {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.equal(status, 0, stderr)
  return parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject)
}

/** Their order says nothing. */
export function byName(objects: readonly KubernetesObject[]): Readonly<Record<string, KubernetesObject>> {
  const named = objects.map(
    (object) =>
      [`${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`, object] as const,
  )
  const all = Object.fromEntries(named)
  assert.equal(Object.keys(all).length, objects.length, 'an object stands there twice')
  return all
}
