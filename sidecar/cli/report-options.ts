// The options of a command that reads a mesh file and reports: which file, and whether as JSON.
import { readOptions, type Options } from './options.ts'
import { meshOptions, type MeshFlag } from '../mesh-file.ts'

export interface ReportOptions extends Partial<Record<MeshFlag, string | undefined>> {
  readonly help?: boolean | undefined
  readonly output?: string | undefined
}

const reportOptions = {
  ...meshOptions,
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const

/** The options, or what is wrong with the arguments. */
export function readReportOptions<const More extends Options = {}>(
  args: string[],
  more?: More,
): (ReportOptions & Partial<Record<keyof More, string>>) | string {
  try {
    const { values } = readOptions(args, { ...reportOptions, ...more }, false)
    if (values.output !== undefined && values.output !== 'json') return '-o: must be json.'
    return values as ReportOptions & Partial<Record<keyof More, string>>
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
