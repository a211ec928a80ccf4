// `onbehalf injector`: the admission webhook, in the foreground until a signal ends it.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { exitStatus, type Io } from '../../sidecar/cli/io.ts'
import { readOptions } from '../../sidecar/cli/options.ts'
import { boundOutput } from '../../sidecar/telemetry/bounded-output.ts'
import { createLog, type Log } from '../../sidecar/telemetry/log.ts'
import { Metrics } from '../../sidecar/telemetry/metrics.ts'
import { bootstrapCertificate } from '../kubernetes/injector/bootstrap.ts'
import { startInjector } from '../kubernetes/injector/injector.ts'
import { createApi, placeInPod, type ApiPlace } from '../kubernetes/injector/kubernetes-api.ts'
import { certificateFromFiles, type ServingCertificate } from '../kubernetes/injector/serving-certificate.ts'
import { describeInjectionOptions, injectionOptions } from './injection-options.ts'
import { readInjectorSettings, type InjectorSettings } from './injector-settings.ts'

const usage = `Usage: onbehalf injector --bootstrap | --tls-certificate FILE --tls-key FILE [options]

Answers the API server: puts a sidecar beside each pod that is created where its webhooks say so (POST /inject).

Its certificate is either in files, which are watched, or its own: then it is kept in a Secret of its namespace, renewed,
and named in its MutatingWebhookConfiguration.

Options (each has a variable: ONBEHALF_ and its name in capitals, such as ONBEHALF_REDIRECT_IMAGE):
  --tls-certificate FILE
                      The certificate under which it serves, as cert-manager renews it.
  --tls-key FILE      Its key.
  --bootstrap         Make and renew a certificate of its own (ONBEHALF_BOOTSTRAP=true).
  --service-name NAME The Service by which it is called. Default: onbehalf-injector.
  --secret NAME       Where a certificate of its own is kept. Default: onbehalf-injector-certificate.
  --webhooks NAME     Its MutatingWebhookConfiguration. Default: onbehalf-injector.
  --listen ADDRESS    HTTPS. Default: 0.0.0.0:8443.
  --listen-probes ADDRESS
                      /ready /livez /metrics. Default: 0.0.0.0:15021.
  --drain-delay TIME  So long it serves on after SIGTERM. Default: 5s.
  --log-level LEVEL   debug, info (default), warn or error.
  --log-format FORMAT auto (default), json or text.
${describeInjectionOptions}  -h, --help          This text.

The variables OTEL_EXPORTER_… and the like that it is given itself stand in every sidecar, but for OTEL_SERVICE_NAME and
OTEL_RESOURCE_ATTRIBUTES.

Example: onbehalf injector --bootstrap --image registry.example.com/onbehalf:0.9.0

Exit status: 0 stopped as it was told to, 2 wrong use, files that cannot be used, or an address that cannot be bound.
`

const text = { type: 'string' } as const
const options = {
  ...injectionOptions,
  'tls-certificate': text,
  'tls-key': text,
  bootstrap: { type: 'boolean' },
  'service-name': text,
  secret: text,
  webhooks: text,
  listen: text,
  'listen-probes': text,
  'drain-delay': text,
  'log-level': text,
  'log-format': text,
  help: { type: 'boolean', short: 'h' },
} as const

export async function injector(args: string[], io: Io): Promise<number> {
  const stop = Promise.withResolvers<string>()
  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.on(signal, stop.resolve)
  try {
    const { help, ...flags } = readOptions(args, options, false).values
    if (help === true) {
      io.stdout.write(usage)
      return exitStatus.done
    }
    const settings = readInjectorSettings(flags, io.env)
    const metrics = new Metrics()
    const output = boundOutput(io.stderr, metrics)
    const log = createLog({ ...settings.log, access: 'off', linesPerSecond: 100 }, output, Date.now)
    const certificate = await certificateFor(settings, io, log)
    const running = await startInjector({ ...settings, certificate, metrics, log, now: Date.now })
    await stop.promise
    // A second Ctrl-C ends it at once.
    process.off('SIGINT', stop.resolve)
    await running.stop()
    return exitStatus.done
  } catch (error) {
    io.stderr.write(`onbehalf injector: ${(error as Error).message}\nSee onbehalf injector --help.\n`)
    return exitStatus.wrong
  } finally {
    for (const signal of signals) process.off(signal, stop.resolve)
  }
}

async function certificateFor(
  { serving }: InjectorSettings,
  { cwd, env }: Io,
  log: Log,
): Promise<ServingCertificate> {
  if (serving.kind === 'files')
    return certificateFromFiles(resolve(cwd, serving.certificate), resolve(cwd, serving.key), log)
  const place = placeInPod(env)
  const namespace = await namespaceOf(place)
  return bootstrapCertificate({ ...serving, api: createApi(place), namespace, log, now: Date.now })
}

async function namespaceOf({ accountFolder }: ApiPlace): Promise<string> {
  try {
    return (await readFile(join(accountFolder, 'namespace'), 'utf8')).trim()
  } catch (error) {
    throw new Error(
      `--bootstrap works in a pod with a service account alone: ${accountFolder} is not there`,
      {
        cause: error,
      },
    )
  }
}
