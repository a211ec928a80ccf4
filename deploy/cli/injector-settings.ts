// The settings of `onbehalf injector`: flags over variables over defaults.
import { parseListenAddress } from '../../shared/config/address.ts'
import type { ListenAddress, Mesh } from '../../shared/config/mesh.ts'
import { parseDuration } from '../../shared/config/units.ts'
import { isLogLevel } from '../../sidecar/telemetry/log.ts'
import type { EnvironmentVariable } from '../kubernetes/injection/pod.ts'
import type { Settings } from '../kubernetes/injection/settings.ts'
import { injectionOptions, settingsOf } from './injection-options.ts'

type Variables = Readonly<Record<string, string | undefined>>
/** As `parseArgs` gives them. */
type Flags = Readonly<Record<string, string | boolean | undefined>>

export interface InjectorSettings {
  readonly listen: ListenAddress
  readonly listenProbes: ListenAddress
  readonly settings: Settings
  readonly serving:
    | { readonly kind: 'files'; readonly certificate: string; readonly key: string }
    | {
        readonly kind: 'bootstrap'
        readonly service: string
        readonly secret: string
        readonly webhooks: string
      }
  readonly drainDelayMs: number
  readonly log: Pick<Mesh['log'], 'level' | 'format'>
}

const logFormats = ['auto', 'json', 'text'] as const

/** @throws {Error} with what is wrong with a flag or variable, in words. */
export function readInjectorSettings(flags: Flags, env: Variables): InjectorSettings {
  const of = (name: string) => given(name, flags, env)
  const injection = Object.fromEntries(Object.keys(injectionOptions).map((name) => [name, of(name)]))
  return {
    listen: addressOf('listen', of('listen') ?? '0.0.0.0:8443'),
    listenProbes: addressOf('listen-probes', of('listen-probes') ?? '0.0.0.0:15021'),
    settings: { ...settingsOf(injection), environment: passedOn(env) },
    serving: servingOf(of),
    drainDelayMs: durationOf('drain-delay', of('drain-delay') ?? '5s'),
    log: { level: levelOf(of('log-level') ?? 'info'), format: formatOf(of('log-format') ?? 'auto') },
  }
}

/** An empty variable is none. */
function given(name: string, flags: Flags, env: Variables): string | undefined {
  const flag = flags[name]
  if (flag !== undefined) return String(flag)
  return env[`ONBEHALF_${name.toUpperCase().replaceAll('-', '_')}`] || undefined
}

function servingOf(of: (name: string) => string | undefined): InjectorSettings['serving'] {
  const [certificate, key, bootstrap = 'false'] = [of('tls-certificate'), of('tls-key'), of('bootstrap')]
  if (bootstrap !== 'true' && bootstrap !== 'false')
    throw new Error(`--bootstrap: "${bootstrap}" is neither true nor false`)
  const hasFiles = certificate !== undefined && key !== undefined
  const hasSome = certificate !== undefined || key !== undefined
  if (bootstrap === 'true' && !hasSome)
    return {
      kind: 'bootstrap',
      service: of('service-name') ?? 'onbehalf-injector',
      secret: of('secret') ?? 'onbehalf-injector-certificate',
      webhooks: of('webhooks') ?? 'onbehalf-injector',
    }
  if (bootstrap === 'true' || !hasFiles)
    throw new Error('say either --bootstrap, or both --tls-certificate and --tls-key')
  return { kind: 'files', certificate, key }
}

/** What concerns the injector itself stays with it. */
function passedOn(env: Variables): readonly EnvironmentVariable[] {
  return Object.entries(env).flatMap(([name, value]) =>
    /^OTEL_(?!SERVICE_NAME$|RESOURCE_ATTRIBUTES$)/.test(name) && value !== undefined
      ? // The kubelet reads `$(NAME)` as another variable, and `$$` as `$`.
        [{ name, value: value.replaceAll('$', '$$$$') }]
      : [],
  )
}

function addressOf(option: string, text: string): ListenAddress {
  const parsed = parseListenAddress(text)
  if ('fault' in parsed) throw new Error(`--${option}: "${text}" ${parsed.fault}`)
  return parsed.value
}

function durationOf(option: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new Error(`--${option}: "${text}" is no time such as 5s`)
  return ms
}

function levelOf(text: string): InjectorSettings['log']['level'] {
  if (!isLogLevel(text)) throw new Error(`--log-level: "${text}" is none of debug, info, warn, error`)
  return text
}

function formatOf(text: string): InjectorSettings['log']['format'] {
  const format = logFormats.find((word) => word === text)
  if (format === undefined) throw new Error(`--log-format: "${text}" is none of ${logFormats.join(', ')}`)
  return format
}
