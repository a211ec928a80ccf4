// `onbehalf config`: the mesh file as a running sidecar has it in effect, defaults and all.
import { stringify } from 'yaml'
import type { Io } from './io.ts'
import { show } from './show.ts'
import { escapeTreacherous } from './token-words.ts'

const about = `Shows the mesh file as the running sidecar of a service has it in effect: merged from the file, the service's entry and
what it was started with, with every default. Secrets are in files, and only their names are here. What is on disk
and not in effect, onbehalf validate says.`

const toText = (answer: unknown) => escapeTreacherous(stringify(answer, { lineWidth: 0 }))

export function config(args: string[], io: Io): Promise<number> {
  return show({ name: 'config', about, target: '/config', toText }, args, io)
}
