// Reads a file that whoever replaces it may have left as anything: a pipe that nobody writes to, or a disk full of it.
import { constants, type Stats } from 'node:fs'
import { open, stat } from 'node:fs/promises'

/** More than any mesh file, certificate, bundle of CAs or key set has. */
const maxBytes = 4 * 1024 * 1024

/** @throws {TypeError} in words for a log: it is no file, or too large; what the system says, where it says so. */
export async function readPlainFile(file: string): Promise<string> {
  // To open a pipe that nobody writes to would take a thread for ever, of the few that there are.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const fault = faultOf(await handle.stat())
    if (fault !== undefined) throw new TypeError(fault)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** Why a file cannot be read to its end; undefined where it can, and where whoever reads it is told why not. */
export async function whyNotPlain(file: string): Promise<string | undefined> {
  return stat(file).then(faultOf, () => undefined)
}

function faultOf(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'is not a file'
  return stats.size > maxBytes ? `is larger than ${maxBytes} bytes` : undefined
}
