// The options of a command, with a word about what a misspelt one was probably meant to be.
import { parseArgs } from 'node:util'
import { didYouMean } from '../../shared/config/suggest.ts'

type Config = NonNullable<Parameters<typeof parseArgs>[0]>
export type Options = NonNullable<Config['options']>

/** `parseArgs` of node:util, strict. @throws {Error} with what is wrong with the arguments, in words. */
export function readOptions<const T extends Options>(
  args: string[],
  options: T,
  allowPositionals: boolean,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: boolean; strict: true }>> {
  try {
    return parseArgs({ args, options, allowPositionals, strict: true })
  } catch (error) {
    throw new Error(wordsOf(error as Error, args, options, allowPositionals), { cause: error })
  }
}

function wordsOf(error: Error, args: readonly string[], options: Options, allowPositionals: boolean): string {
  const code = 'code' in error ? error.code : undefined
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const names = [...Object.keys(options), 'help']
    return `there is no option ${quoted}${meantOption(quoted.replace(/^-+/, ''), names)}`
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL' && !allowPositionals) {
    return `"${quoted}" is one word too many`
  }
  const missing = /^Option '(?:-\w, )?(--[\w-]+) <value>' argument missing/.exec(error.message)?.[1]
  if (missing !== undefined) return `${missing} needs a value${valueHint(args)}`
  return error.message.split('\n')[0] as string
}

/** The closest, or the only one that begins so. */
function meantOption(word: string, names: readonly string[]): string {
  const longer = names.filter((name) => name.startsWith(`${word}-`))
  const close = didYouMean(word, names).replace('"', '"--')
  return close === '' && longer.length === 1 ? `; did you mean "--${longer[0]}"?` : close
}

/** A value that begins with a dash is taken for an option. */
function valueHint(args: readonly string[]): string {
  return args.some((arg, i) => arg.startsWith('-') && args[i + 1]?.startsWith('-') === true)
    ? '; one that begins with a dash is given as --option=-value'
    : ''
}
