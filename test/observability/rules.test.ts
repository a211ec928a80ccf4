// Alerts and dashboard, by the real promtool; and what they name is what a sidecar shows.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { Recorder } from '../../deploy/kubernetes/injector/recorder.ts'
import type { ServingCertificate } from '../../deploy/kubernetes/injector/serving-certificate.ts'
import { createLog } from '../../sidecar/telemetry/log.ts'
import { Metrics } from '../../sidecar/telemetry/metrics.ts'
import { formatPrometheus } from '../../sidecar/telemetry/prometheus.ts'
import { makeServing } from '../kubernetes/injector-ground.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { startRedis } from '../support/redis.ts'
import { blocksOf } from '../guides/ground.ts'

const folder = join(import.meta.dirname, '../../deploy/observability')
const read = (name: string) => readFile(join(folder, name), 'utf8')
const hasPromtool = spawnSync('promtool', ['--version']).status === 0
const skip = hasPromtool ? false : 'promtool is not installed: apt-get install prometheus'

interface Rules {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}
interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly runbook: string }
}
interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { alertname: string; exp_alerts: unknown[] }[]
  }[]
}
interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
}
interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string }[] }
}

const rules = (parse(await read('rules.yaml')) as Rules).groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(await read('dashboard.json')) as Dashboard

for (const args of [
  ['check', 'rules', 'rules.yaml'],
  ['test', 'rules', 'rules.test.yaml'],
  ['test', 'rules', 'rules.days.test.yaml'],
]) {
  test(`promtool ${args.join(' ')}`, { skip }, () => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' })
    assert.equal(status, 0, stdout + stderr)
  })
}

test('the scrape configuration of the README is one for Prometheus', { skip }, async (t) => {
  const [block] = blocksOf(await read('README.md'))
  const scratch = await mkdtemp(join(tmpdir(), 'onbehalf-prometheus-'))
  t.after(() => rm(scratch, { recursive: true, force: true }))
  await writeFile(join(scratch, 'prometheus.yaml'), block?.text ?? '')
  await copyFile(join(folder, 'rules.yaml'), join(scratch, 'rules.yaml'))
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', 'prometheus.yaml'], {
    cwd: scratch,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stdout + stderr)
})

test('of each alert there is a case in which it fires and one in which it does not, and a paragraph', async () => {
  const files = await Promise.all(['rules.test.yaml', 'rules.days.test.yaml'].map(read))
  const cases = files.flatMap((text) =>
    (parse(text) as RuleTests).tests.flatMap((each) => each.alert_rule_test),
  )
  const headings = [...(await read('README.md')).matchAll(/^### (\w+)$/gm)].map((match) => match[1] as string)
  assert.deepEqual(
    rules.map(({ alert }) => alert),
    headings,
  )
  for (const { alert, annotations } of rules) {
    const own = cases.filter(({ alertname }) => alertname === alert)
    assert.deepEqual(
      own.map(({ exp_alerts: alerts }) => alerts.length).toSorted((a, b) => a - b),
      [0, 1],
      alert,
    )
    assert.equal(annotations.runbook, `deploy/observability/README.md#${alert.toLowerCase()}`)
  }
})

test('the panels have ids of their own, and none lies on another', () => {
  const { panels } = dashboard
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  )
  assert.equal(new Set(cells).size, cells.length)
  assert.ok(cells.every((cell) => Number.parseInt(cell, 10) < 24))
  assert.deepEqual(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance'],
  )
})

/** Prometheus' own names, functions and what it adds to every series. */
const suffixes = /_(?:bucket|sum|count)$/
const added = new Set(['job', 'instance', 'le'])

function metricsOfInjector(): string {
  const metrics = new Metrics()
  const { cert, key } = makeServing('localhost')
  const certificate: ServingCertificate = {
    current: () => ({ cert, key }),
    onChange: () => undefined,
    waitingFor: () => undefined,
    failedRenewals: () => 0,
    close: async () => undefined,
  }
  const settings = { level: 'error', format: 'json', access: 'off', linesPerSecond: 0 } as const
  const log = createLog(settings, { write: () => undefined }, Date.now)
  new Recorder(metrics, log, certificate).cutOff()
  return formatPrometheus(metrics.instruments)
}

test('every metric and label that a rule or a panel names is one that a sidecar or the injector shows', async (t) => {
  const redis = await startRedis(t)
  const mesh = await startMesh(t, {
    settings: { store: { redis: { url: `redis://127.0.0.1:${redis.port}` } } },
  })
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const { App } = mesh.sidecars
  await send({ port: App.inbound, headers: ['X-Pomerium-Jwt-Assertion', token] })
  await send({ port: App.outbound, host: hosts.API, headers: ['X-Pomerium-Jwt-Assertion', token] })
  await send({
    port: App.outbound,
    host: hosts.API,
    headers: ['x-onbehalf-handle', 'lost-long-ago-lost-long-ago'],
  })
  const metrics = new Map<string, Set<string>>()
  const ofSidecars = Object.values(mesh.sidecars).map(({ probes }) =>
    send({ port: probes, target: '/metrics' }),
  )
  const bodies = (await Promise.all(ofSidecars)).map(({ body }) => body)
  for (const body of [...bodies, metricsOfInjector()]) {
    for (const line of body.split('\n')) {
      const type = /^# TYPE (\S+)/.exec(line)?.[1]
      if (type !== undefined && !metrics.has(type)) metrics.set(type, new Set())
      const [, name = '', labels = ''] = /^([a-z]\w*)(?:\{(.*)\})? /.exec(line) ?? []
      const known = metrics.get(name) ?? metrics.get(name.replace(suffixes, ''))
      for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known?.add(label)
    }
  }
  const exprs = [
    ...rules.map(({ expr }) => expr),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ]
  const named = exprs.flatMap((expr) => [
    ...expr
      .replaceAll(/\bby \([^)]*\)/g, '')
      .matchAll(/\b((?:onbehalf|http|process|nodejs)_\w+)(?:\{([^}]*)\})?/g),
  ])
  assert.ok(named.length > 40)
  // What nothing has happened of has no labels yet.
  const silent = new Set(['onbehalf_upstream_set_aside_total', 'onbehalf_shed_requests_total'])
  for (const [, name = '', selector = ''] of named) {
    const labels = metrics.get(name) ?? metrics.get(name.replace(suffixes, ''))
    // Only where there is a file that can be lost.
    if (name === 'onbehalf_audit_dropped_total') continue
    assert.ok(labels !== undefined, name)
    if (silent.has(name)) continue
    for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
      assert.ok(added.has(label) || labels.has(label), `${name} has no label ${label}`)
  }
})
