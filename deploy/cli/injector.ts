// `onbehalf injector`: the admission webhook, in the foreground until a signal ends it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exitStatus, type Io } from '../../sidecar/cli/io.ts'
import { readOptions } from '../../sidecar/cli/options.ts'
import { createLog } from '../../sidecar/telemetry/log.ts'
import { bootstrapCertificate } from '../kubernetes/injector/bootstrap.ts'
import { startInjector, type Address, type InjectorOptions } from '../kubernetes/injector/injector.ts'
import { createApi, placeInPod, type ApiPlace } from '../kubernetes/injector/kubernetes-api.ts'
import { certificateFromFiles } from '../kubernetes/injector/serving-certificate.ts'
import { describeInjectionOptions, injectionOptions, settingsOf } from './injection-options.ts'

const usage = `Usage: onbehalf injector --bootstrap | --tls-certificate FILE --tls-key FILE [options]

Answers the API server: puts a sidecar beside each pod that is created where its webhooks say so (POST /inject).

Its certificate is either in files, which are watched, or its own: then it is kept in a Secret of its namespace, renewed,
and named in its MutatingWebhookConfiguration.

Options:
  --tls-certificate FILE, --tls-key FILE
                      The certificate under which it serves, as cert-manager renews it.
  --bootstrap         Make and renew the certificate.
  --service-name NAME The Service by which it is called. Default: onbehalf-injector.
  --secret NAME       Where a certificate of its own is kept. Default: onbehalf-injector-certificate.
  --webhooks NAME     Its MutatingWebhookConfiguration. Default: onbehalf-injector.
  --listen ADDRESS    Default: 0.0.0.0:8443.
  --listen-probes ADDRESS
                      /ready /livez /metrics. Default: 0.0.0.0:15021.
  --drain-delay SECONDS
                      So long it serves on after SIGTERM. Default: 5.
${describeInjectionOptions}  -h, --help          This text.

The variables OTEL_EXPORTER_… and the like that it is given itself are given to every sidecar.

Example: onbehalf injector --bootstrap --image registry.example.com/onbehalf:0.7.0

Exit status: 0 stopped as it was told to, 2 wrong use, files that cannot be used, or an address that cannot be bound.
`

const options = {
  ...injectionOptions,
  'tls-certificate': { type: 'string' },
  'tls-key': { type: 'string' },
  bootstrap: { type: 'boolean', default: false },
  'service-name': { type: 'string', default: 'onbehalf-injector' },
  secret: { type: 'string', default: 'onbehalf-injector-certificate' },
  webhooks: { type: 'string', default: 'onbehalf-injector' },
  listen: { type: 'string', default: '0.0.0.0:8443' },
  'listen-probes': { type: 'string', default: '0.0.0.0:15021' },
  'drain-delay': { type: 'string', default: '5' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const logSettings = { level: 'info', format: 'auto', access: 'off', linesPerSecond: 100 } as const

export async function injector(args: string[], io: Io): Promise<number> {
  const stop = Promise.withResolvers<string>()
  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.on(signal, stop.resolve)
  try {
    const asked = readAsked(args, io)
    if (asked === undefined) {
      io.stdout.write(usage)
      return exitStatus.done
    }
    const started = startInjector(asked)
    const first = await Promise.race([started, stop.promise])
    // Told to end while it waits for the API server: there is nothing to drain.
    if (typeof first === 'string') return exitStatus.done
    await stop.promise
    await first.stop()
    return exitStatus.done
  } catch (error) {
    io.stderr.write(`onbehalf injector: ${(error as Error).message}\nSee onbehalf injector --help.\n`)
    return exitStatus.wrong
  } finally {
    for (const signal of signals) process.off(signal, stop.resolve)
  }
}

/** Undefined where only the help is asked for. @throws {Error} with what is wrong, in words. */
function readAsked(args: string[], io: Io): InjectorOptions | undefined {
  const { values } = readOptions(args, options, false)
  if (values.help) return undefined
  const { 'tls-certificate': cert, 'tls-key': key, bootstrap } = values
  const log = createLog(logSettings, io.stderr, Date.now)
  if (bootstrap === (cert !== undefined || key !== undefined) || (cert === undefined) !== (key === undefined))
    throw new Error('say either --bootstrap, or both --tls-certificate and --tls-key')
  const place = bootstrap ? placeInPod(io.env) : undefined
  return {
    listen: addressOf('listen', values.listen),
    listenProbes: addressOf('listen-probes', values['listen-probes']),
    settings: { ...settingsOf(values), environment: passedOn(io.env) },
    drainDelayMs: secondsOf('drain-delay', values['drain-delay']) * 1_000,
    log,
    certificate: async () => {
      if (place === undefined) return certificateFromFiles(cert ?? '', key ?? '', log)
      const { secret, webhooks, 'service-name': service } = values
      const api = createApi(place)
      return bootstrapCertificate({
        api,
        namespace: await namespaceOf(place),
        service,
        secret,
        webhooks,
        log,
        now: Date.now,
      })
    },
  }
}

/** What concerns the injector itself stays with it. */
function passedOn(env: Io['env']): InjectorOptions['settings']['environment'] {
  return Object.entries(env).flatMap(([name, value]) =>
    /^OTEL_(?!SERVICE_NAME$|RESOURCE_ATTRIBUTES$)/.test(name) && value !== undefined ? [{ name, value }] : [],
  )
}

async function namespaceOf({ accountFolder }: ApiPlace): Promise<string> {
  return (await readFile(join(accountFolder, 'namespace'), 'utf8')).trim()
}

function addressOf(option: string, text: string): Address {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new Error(`--${option}: "${text}" is no address such as 0.0.0.0:8443`)
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

function secondsOf(option: string, text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new Error(`--${option}: "${text}" is no number of seconds`)
  return Number(text)
}
