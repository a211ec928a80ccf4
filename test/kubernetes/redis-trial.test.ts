// The Redis for trying out: a real server, started as its manifest says, knows the two users and nobody else.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { render, type KubernetesObject } from '../../deploy/kubernetes/install/kustomize.ts'
import { manifestFiles } from '../../deploy/kubernetes/install/manifests.ts'
import { Redacted } from '../../shared/redacted.ts'
import { redisMissing, startRedis } from '../support/redis.ts'

const objects = render(manifestFiles(), 'kubernetes/overlays/redis-trial')
const podOf = (object: KubernetesObject | undefined) => {
  const pod = object?.spec?.template?.spec
  assert.ok(pod !== undefined)
  return pod
}

test(
  'the trial Redis takes a sidecar by its password, for its own names',
  { skip: redisMissing },
  async (t) => {
    const pod = podOf(objects.find(({ kind }) => kind === 'Deployment'))
    const users = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['users.acl'] ?? ''
    const access = { tls: undefined, username: 'sidecar', password: new Redacted('one') }
    const configure = async (port: number, folder: string) => {
      const inside = (text: string) => text.replaceAll(/\/(etc|run)\/redis\b/g, join(folder, '$1'))
      for (const name of ['etc', 'run']) await mkdir(join(folder, name), { recursive: true })
      await writeFile(join(folder, 'etc/users.acl'), users)
      const [program = '', ...args] = (pod.initContainers?.[0]?.command ?? []).map(inside)
      const env = { PATH: process.env['PATH'], SIDECAR_PASSWORD: 'one', REVOKER_PASSWORD: 'two' }
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5_000, env })
      assert.equal(status, 0, stderr)
      return ['--port', String(port), ...(pod.containers[0]?.args ?? []).map(inside)]
    }
    const redis = await startRedis(t, { access, configure })
    assert.equal(await redis.call('set', '{onbehalf}:certificate:a', '1', 'EX', '10'), 'OK')
    await assert.rejects(redis.call('set', 'another', '1'), /an ACL rule is missing/)
    await assert.rejects(redis.call('acl', 'list'), /an ACL rule is missing/)
  },
)
