// `onbehalf uninject`: manifests as they were before `onbehalf inject`.
import { exitStatus, type Io } from '../../sidecar/cli/io.ts'
import { readOptions } from '../../sidecar/cli/options.ts'
import { UnendedBlock } from '../kubernetes/manifest/blocks.ts'
import { injectedIn, uninjectManifest } from '../kubernetes/manifest/manifest.ts'
import { joinManifests, namesOf, readManifests } from './manifest-files.ts'

const usage = `Usage: onbehalf uninject -f FILE [-f FILE]…

Gives manifests back, byte for byte, as they were before onbehalf inject, on standard output.

Example: onbehalf uninject -f shop.yaml > shop.plain.yaml

Options:
  -f, --filename FILE A manifest that onbehalf inject printed; - is standard input.
  -h, --help          This text.

Exit status: 0 done, 1 lines that onbehalf inject put there were changed since (what it replaced is given back all the
same), a sidecar is there that no block holds (it stays), or a block has no end (nothing is printed), 2 wrong use.
`

const options = {
  filename: { type: 'string', short: 'f', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export async function uninject(args: string[], io: Io): Promise<number> {
  try {
    const { values, positionals } = readOptions(args, options, true)
    const { help, filename } = values
    if (help) {
      io.stdout.write(usage)
      return exitStatus.done
    }
    return takeOut(await readManifests(namesOf(filename, positionals), io.cwd), io)
  } catch (error) {
    io.stderr.write(`onbehalf uninject: ${(error as Error).message}\nSee onbehalf uninject --help.\n`)
    return exitStatus.wrong
  }
}

function takeOut(manifests: Awaited<ReturnType<typeof readManifests>>, io: Io): number {
  const texts: string[] = []
  let isLeft = false
  for (const { name, text } of manifests) {
    try {
      const { text: plain, changed } = uninjectManifest(text)
      texts.push(plain)
      const left = injectedIn(plain)
      isLeft ||= changed.length + left.length > 0
      for (const line of changed)
        io.stderr.write(`${name}:${line}: this block was changed since; what it replaced is given back\n`)
      for (const title of left)
        io.stderr.write(`${name}: ${title}: keeps its sidecar, which no block holds: take it out by hand\n`)
    } catch (error) {
      if (!(error instanceof UnendedBlock)) throw error
      io.stderr.write(`${name}:${error.line}: ${error.message}\n`)
      return exitStatus.no
    }
  }
  io.stdout.write(joinManifests(texts))
  return isLeft ? exitStatus.no : exitStatus.done
}
