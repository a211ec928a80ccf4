// `onbehalf install`: what a cluster needs for sidecars to be injected, as YAML.
import { stringify } from 'yaml'
import { exitStatus, type Io } from '../../sidecar/cli/io.ts'
import { readOptions } from '../../sidecar/cli/options.ts'
import {
  certificateOverlays,
  defaultNamespace,
  furtherOverlays,
  installation,
  type Installation,
  type Overlay,
} from '../kubernetes/install/install.ts'
import { manifestFiles } from '../kubernetes/install/manifests.ts'
import { describeInjectionOptions, injectionOptions, settingsOf } from './injection-options.ts'

const usage = `Usage: onbehalf install [options]

Prints what a cluster needs for sidecars to be injected: a namespace, the injector with its webhooks and the least right,
and what is asked for beside it. It is what kustomize makes of deploy/kubernetes/overlays.

Examples:
  onbehalf install | kubectl apply --server-side -f -
  onbehalf install --overlay cert-manager --overlay monitoring --image registry.example.com/onbehalf:1 \\
    --redirect-image registry.example.com/onbehalf-redirect:1 | kubectl apply --server-side -f -

Options:
  --overlay NAME      own-certificates (default) or cert-manager: whence the injector has its certificate.
                      monitoring: for the Prometheus operator and Grafana. redis-trial: a Redis for trying out.
  --namespace NAME    Where it is put, one of its own. Default: ${defaultNamespace}.
${describeInjectionOptions}  -h, --help          This text.

Exit status: 0 done, 2 wrong use.
`

const options = {
  ...injectionOptions,
  overlay: { type: 'string', multiple: true, default: [] as string[] },
  namespace: { type: 'string', default: defaultNamespace },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export async function install(args: string[], io: Io): Promise<number> {
  try {
    const asked = readAsked(args)
    io.stdout.write(asked === undefined ? usage : print(installation(manifestFiles(), asked)))
    return exitStatus.done
  } catch (error) {
    io.stderr.write(`onbehalf install: ${(error as Error).message}\nSee onbehalf install --help.\n`)
    return exitStatus.wrong
  }
}

/** Undefined where only the help is asked for. @throws {Error} with what is wrong, in words. */
function readAsked(args: string[]): Installation | undefined {
  const { help, overlay, namespace, ...given } = readOptions(args, options, false).values
  if (help) return undefined
  settingsOf(given)
  const words = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`],
  )
  return {
    overlays: overlaysOf(overlay),
    namespace: namespaceOf(namespace),
    image: given.image,
    injectorArguments: words,
  }
}

function overlaysOf(names: readonly string[]): Overlay[] {
  const known: readonly Overlay[] = [...certificateOverlays, ...furtherOverlays]
  const strange = names.find((name) => !known.some((each) => each === name))
  if (strange !== undefined) throw new Error(`--overlay: "${strange}" is none of ${known.join(', ')}`)
  const asked = known.filter((name) => names.includes(name))
  const certificates = certificateOverlays.filter((name) => asked.includes(name))
  if (certificates.length > 1) throw new Error(`--overlay: say one of ${certificateOverlays.join(', ')}`)
  return certificates.length === 1 ? asked : [certificateOverlays[0], ...asked]
}

function namespaceOf(name: string): string {
  if (!/^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name))
    throw new Error(`--namespace: "${name}" is no name of a namespace`)
  // What is installed labels it, and is removed with it.
  if (/^(default|kube-.*)$/.test(name))
    throw new Error(`--namespace: "${name}" is the cluster's: the injector has one of its own`)
  return name
}

/** As YAML 1.1, in which kubectl reads it: there `on` and `no` are no texts unless they are quoted. */
function print(objects: readonly object[]): string {
  return objects
    .map((object) => stringify(object, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 }))
    .join('---\n')
}
