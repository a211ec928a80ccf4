// The demo's manifests, injected and started on a node: what the tests of pods stand on.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { injectPod } from '../../deploy/kubernetes/injection/inject.ts'
import { places, program, sidecarUid } from '../../deploy/kubernetes/injection/names.ts'
import { applyPatch } from '../../deploy/kubernetes/injection/patch.ts'
import type { PodTemplate } from '../../deploy/kubernetes/injection/pod.ts'
import { defaultSettings, type Settings } from '../../deploy/kubernetes/injection/settings.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import type { Image } from './node/filesystem.ts'
import { startNode, type ClusterNode, type ClusterService } from './node/node.ts'

const root = join(import.meta.dirname, '../..')
const demo = join(root, 'deploy/kubernetes/demo')
const meshIssuer = 'mesh.companydomain.com'

export const images: Readonly<Record<string, Image>> = {
  onbehalf: {
    files: {
      [program[0]]: process.execPath,
      [program[1]]: join(root, 'dist/onbehalf.cjs'),
      '/onbehalf/commands.cjs': join(root, 'dist/commands.cjs'),
      '/onbehalf/preload.cjs': join(root, 'dist/preload.cjs'),
    },
    entrypoint: program,
    user: sidecarUid,
  },
  'onbehalf-redirect': {
    files: { '/redirect.sh': join(root, 'deploy/interception/redirect.sh') },
    entrypoint: ['/redirect.sh'],
    user: 0,
  },
  node: { files: { '/nodejs/bin/node': process.execPath }, entrypoint: ['node'], user: 1000 },
}

export const serviceNames = ['app', 'api', 'ledger'] as const
export type ShopName = (typeof serviceNames)[number]
export const audience = 'app.localhost.pomerium.io'

export interface Shop {
  readonly node: ClusterNode
  readonly services: Readonly<Record<ShopName, ClusterService>>
  readonly replicas: number
  /** The injected template of a Deployment. */
  template(
    name: ShopName,
    settings?: Partial<Settings>,
    annotations?: Readonly<Record<string, string>>,
  ): PodTemplate
}

export async function startShop(t: TestContext): Promise<Shop> {
  const manifests = await Promise.all(serviceNames.map(readManifests))
  const services = manifests.map(({ service }) => service)
  const node = await startNode(t, services, images)
  await addObjects(node)
  const deployments = new Map(manifests.map(({ name, deployment }) => [name, deployment]))
  return {
    node,
    services: Object.fromEntries(services.map((service) => [service.name, service])) as Shop['services'],
    replicas: manifests[0]?.deployment.replicas ?? 0,
    template: (name, settings = {}, annotations = {}) =>
      inject(deployments.get(name)?.template, settings, annotations),
  }
}

interface Manifests {
  readonly name: ShopName
  readonly service: ClusterService
  readonly deployment: { readonly replicas: number; readonly template: PodTemplate }
}

async function readManifests(name: ShopName): Promise<Manifests> {
  const documents = parseAllDocuments(await readFile(join(demo, `${name}.yaml`), 'utf8'))
  const objects = documents.map(
    (document) => document.toJS() as { readonly kind: string; readonly spec: never },
  )
  const specOf = (kind: string) => objects.find((object) => object.kind === kind)?.spec as unknown
  const deployment = specOf('Deployment') as Manifests['deployment']
  const { ports } = specOf('Service') as {
    ports: readonly { readonly port: number; readonly targetPort: string }[]
  }
  const [port] = ports
  const target = deployment.template.spec.containers[0]?.ports?.find((each) => each.name === port?.targetPort)
  assert.ok(port !== undefined && target !== undefined)
  const service = {
    name,
    address: `10.96.0.${10 + serviceNames.indexOf(name)}`,
    port: port.port,
    targetPort: target.containerPort,
    hosts: [name, `${name}.shop`, `${name}.shop.svc`, `${name}.shop.svc.cluster.local`],
  }
  return { name, service, deployment }
}

function inject(
  template: PodTemplate | undefined,
  settings: Partial<Settings>,
  annotations: Readonly<Record<string, string>>,
): PodTemplate {
  assert.ok(template !== undefined)
  const asked = {
    ...template,
    metadata: { ...template.metadata, annotations: { ...template.metadata?.annotations, ...annotations } },
  }
  const injection = injectPod(asked, { ...defaultSettings('0.0.0'), ...settings }, true)
  assert.equal(injection.kind, 'injected', JSON.stringify(injection))
  return applyPatch(asked, injection.kind === 'injected' ? injection.operations : [])
}

/** What the manifests refer to and the user brings. */
async function addObjects({ objects, agent }: ClusterNode): Promise<void> {
  const nowMs = Date.now()
  const authority = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const issue = async (account: string) => {
    const { certificatePem, keyPem } = await issueAccount({
      caPem: authority.certificatePem,
      caKeyPem: authority.keyPem,
      issuer: undefined,
      account,
      dnsNames: [],
      days: 1,
      nowMs,
    })
    return { 'tls.crt': certificatePem, 'tls.key': keyPem, 'ca.crt': authority.certificatePem }
  }
  objects.set('secret/app-account', await issue('api-access'))
  objects.set('secret/api-account', await issue('ledger-access'))
  objects.set('configmap/demo-app', { 'app.ts': await readFile(join(root, 'deploy/demo/app.ts'), 'utf8') })
  objects.set('configmap/onbehalf-mesh', {
    'mesh.yaml': await readFile(join(demo, 'mesh.yaml'), 'utf8'),
    'ca.pem': authority.certificatePem,
    'jwks.json': JSON.stringify(await agent.tell('keySet', undefined)),
  })
}

export const preloadFile = `${places.preload}/preload.cjs`
