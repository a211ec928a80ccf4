// What the demo shows around its results: a drawing of what runs where, and commands to try.
import type { Redis } from './redis.ts'
import type { Service, Topology } from './topology.ts'

export function drawing({ pomeriumPort, services: { App, API, Ledger } }: Topology, redis?: Redis): string {
  const cells = [
    ['alice, bob', '', ''],
    ['Pomerium', `:${pomeriumPort}`, 'signs who it is'],
    ...[App, API, Ledger].map(({ name, inboundPort, appPort, account }) => [
      `[ sidecar | ${name} ]`,
      `  :${inboundPort}  :${appPort}`,
      account === undefined ? '' : `  calls as ${account}`,
    ]),
  ]
  const widths = cells.map((cell) => Math.max(...cell.map((text) => text.length)))
  const line = (row: number, arrow: string) =>
    `  ${cells.map((cell, column) => (cell[row] ?? '').padEnd(widths[column] ?? 0)).join(arrow)}`.trimEnd()
  const shared = redis === undefined ? [] : ['', `  Redis :${redis.port}, which the three sidecars share`]
  return [line(0, ' --> '), line(1, '     '), line(2, '     '), ...shared].join('\n')
}

const exampleTrace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** curl lines with the ports filled in. */
export function thingsToTry({ pomeriumPort, services, meshFile }: Topology, redis?: Redis): string {
  const { App } = services
  const through = `-H 'Host: ${App.host}' http://127.0.0.1:${pomeriumPort}/hello`
  const each = Object.values(services).flatMap(({ name, probesPort, adminPort, adminTokenFile }) => [
    `# ${name}: its figures, and what it decided and why`,
    `curl -s http://127.0.0.1:${probesPort}/metrics`,
    `curl -s -H "Authorization: Bearer $(cat ${adminTokenFile})" http://127.0.0.1:${adminPort}/decisions`,
  ])
  return [
    '# as alice, as bob: the answer shows who called each service, and on whose behalf',
    `curl -s -b _pomerium=alice ${through}`,
    `curl -s -b _pomerium=bob ${through}`,
    '# attacks: around Pomerium; and as alice for someone else, which Pomerium itself lets through',
    `curl -si http://127.0.0.1:${App.inboundPort}/hello`,
    `curl -si -b _pomerium=alice -H 'X-Pomerium-Jwt-Assertion-For: anyone' ${through}`,
    '# why did App call on behalf of whom? The id is that of a request or of a trace, here of one made for this',
    `curl -s -b _pomerium=alice -H 'traceparent: ${exampleTrace}' ${through}`,
    `npm run -s onbehalf -- explain ${exampleTrace} --config ${meshFile} --service App`,
    ...each,
    ...(redis === undefined ? [] : withRedis(redis, services.API, through)),
  ]
    .map((text) => `  ${text}`)
    .join('\n')
}

function withRedis({ port }: Redis, { probesPort }: Service, through: string): string[] {
  return [
    '# what is in Redis; end it, and all goes on',
    `redis-cli -p ${port} --scan`,
    `redis-cli -p ${port} shutdown nosave`,
    `curl -s -b _pomerium=alice ${through}`,
    `curl -s http://127.0.0.1:${probesPort}/metrics | grep onbehalf_store`,
  ]
}
