// The options of a command that reads a mesh file and reports: which file, and whether as JSON.
import { parseArgs } from 'node:util'
import { meshOptions, type MeshFlag } from '../mesh-file.ts'

export interface ReportOptions extends Partial<Record<MeshFlag, string | undefined>> {
  readonly help?: boolean | undefined
  readonly output?: string | undefined
}

/** The options, or what is wrong with the arguments. */
export function readReportOptions(args: string[]): ReportOptions | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        ...meshOptions,
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.output !== undefined && values.output !== 'json') return '-o: must be json.'
    return values
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
