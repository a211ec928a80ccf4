// The clients of Node, each as a program that is told of the proxy and the authority by its environment.
import { join } from 'node:path'
import type { Client } from './ask.ts'
import { environment, startProgram } from './child.ts'

interface Shape {
  /** In the folder of the programs. */
  readonly program: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cannot?: Client['cannot']
  readonly decodes: boolean
}

export function nodeClient(name: string, shape: Shape): Client {
  const { program, args = [], env = {}, cannot = {}, decodes } = shape
  const file = join(import.meta.dirname, 'programs', program)
  return {
    name,
    missing: undefined,
    cannot,
    decodes,
    async start({ proxy, caFile }) {
      const told = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: caFile }
      return startProgram(process.execPath, [file, ...args], environment({ ...told, ...env }))
    },
  }
}
