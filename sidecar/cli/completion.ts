// `onbehalf completion`: scripts by which bash and zsh complete commands, options and what they take.
import { didYouMean } from '../../shared/config/suggest.ts'
import { readMesh } from '../mesh-file.ts'
import { exitStatus, type Io } from './io.ts'
import { readOptions } from './options.ts'

const usage = `Usage: onbehalf completion bash|zsh

Prints a script that completes the commands of onbehalf, their options, services and files.

Examples:
  source <(onbehalf completion bash)                             # in this shell; or in ~/.bashrc
  onbehalf completion zsh > "\${fpath[1]}/_onbehalf"              # then start a new shell

  onbehalf completion services [--config FILE]                   # what the scripts ask: one name a line

Options:
  --config FILE       The mesh file whose services are named.
  -h, --help          This text.

Exit status: 0 done, 2 wrong use.
`

/** What is completed behind a command: its options as its help names them, and its own commands. */
export interface Completed {
  readonly name: string
  readonly words: readonly string[]
  readonly options: readonly string[]
}

/** Options whose values are known, with these. */
const values: Readonly<Record<string, string>> = {
  mode: 'enforce report',
  'log-level': 'debug info warn error',
  'log-format': 'auto json text',
  output: 'json',
  sidecar: 'native classic',
  intercept: 'redirect none',
  overlay: 'own-certificates cert-manager monitoring redis-trial',
}
const files = [
  'config',
  'admin-token-file',
  'certificate',
  'key',
  'token-file',
  'certificates',
  'out',
  'ca',
  'filename',
  'tls-certificate',
  'tls-key',
]

/** @param describe gives what is completed: all of it comes from the help texts, so it is never behind them. */
export async function completion(
  args: string[],
  io: Io,
  describe: () => Promise<readonly Completed[]>,
): Promise<number> {
  const asked = read(args)
  if (typeof asked === 'string') {
    io.stderr.write(`onbehalf completion: ${asked}\nSee onbehalf completion --help.\n`)
    return exitStatus.wrong
  }
  if (asked.shell === 'help') io.stdout.write(usage)
  else if (asked.shell === 'services') io.stdout.write(await serviceNames(asked.config, io))
  else io.stdout.write(scripts[asked.shell](await describe()))
  return exitStatus.done
}

type Shell = 'bash' | 'zsh'

function read(
  args: string[],
): { readonly shell: Shell | 'services' | 'help'; readonly config: string | undefined } | string {
  try {
    const options = { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
    const { values: given, positionals } = readOptions(args, options, true)
    const [shell, ...others] = positionals
    if (given.help === true) return { shell: 'help', config: undefined }
    if (shell === undefined || others.length > 0) return 'say bash or zsh'
    if (shell === 'bash' || shell === 'zsh' || shell === 'services') return { shell, config: given.config }
    return `there is no script for "${shell}"${didYouMean(shell, ['bash', 'zsh'])}`
  } catch (error) {
    return (error as Error).message
  }
}

/** None where there is no mesh file: a shell that completes is not told of faults. */
async function serviceNames(config: string | undefined, { env, cwd }: Io): Promise<string> {
  const { services } = await readMesh({ flags: { config }, env, cwd, files: 'trust' })
  return services.map((name) => `${name}\n`).join('')
}

const scripts: Readonly<Record<Shell, (commands: readonly Completed[]) => string>> = { bash, zsh }

function bash(commands: readonly Completed[]): string {
  return `# Completion of onbehalf for bash: source <(onbehalf completion bash)
_onbehalf() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" config="" command="" name i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "\${COMP_WORDS[i]}" == --config ]] && config="\${COMP_WORDS[i+1]}"
    [[ "\${COMP_WORDS[i]}" == -* || "\${COMP_WORDS[i-1]}" == --* ]] || command="\${command:+$command }\${COMP_WORDS[i]}"
  done
  case "$before" in
${Object.entries(values)
  .map(([option, words]) => `    --${option}) COMPREPLY=($(compgen -W '${words}' -- "$current")); return ;;`)
  .join('\n')}
    -o) COMPREPLY=($(compgen -W 'json' -- "$current")); return ;;
    --service)
      # Names are whoever wrote the mesh file's to choose: compgen -W would run what stands in them.
      while IFS= read -r name; do
        [[ "$name" == "$current"* ]] && printf -v name '%q' "$name" && COMPREPLY+=("$name")
      done < <("\${COMP_WORDS[0]}" completion services \${config:+--config "$config"} 2>/dev/null)
      return ;;
    ${files.map((option) => `--${option}`).join('|')}|-f) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "$command" in
${commands
  .map(({ name, words, options }) => {
    const all = [...words, ...options].join(' ')
    return `    ${name === '' ? "''" : `'${name}'*`}) COMPREPLY=($(compgen -W '${all}' -- "$current")) ;;`
  })
  .join('\n')}
  esac
}
complete -o default -F _onbehalf onbehalf
`
}

/** Zsh takes bash's way of completing, so there is one script to keep right. */
function zsh(commands: readonly Completed[]): string {
  return `#compdef onbehalf
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`
}
