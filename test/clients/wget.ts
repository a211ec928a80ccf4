// wget as a client: one process for what is asked together.
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toldContent, type Ask, type Client, type Place, type Told } from './ask.ts'
import { environment, missingProgram, run } from './child.ts'
import { noBlock, readBlocks } from './header-blocks.ts'

export const wget: Client = {
  name: 'wget',
  missing: missingProgram('wget'),
  cannot: {
    stream: 'wget sends no body whose length it does not know',
    expect: 'wget does not wait for a go-ahead',
    conditional: 'wget waits for the content of a 304 that it did not ask for by --timestamping',
    'content of 401': 'wget keeps no content of a 401',
  },
  decodes: false,
  async start(place) {
    return { ask: (asks) => askWget(asks, place), stop: async () => undefined }
  },
}

/** Exit statuses of wget: a success, 401, another status from 400 on. */
const answered: ReadonlySet<number | undefined> = new Set([0, 6, 8])

/** All that is asked together is asked in the same way, but for the URL. */
async function askWget(asks: readonly Ask[], place: Place): Promise<Told[]> {
  const [first] = asks as [Ask]
  const output = join(await mkdtemp(join(place.folder, 'wget-')), 'content')
  const args = [...wgetArguments(first, place), `--output-document=${first.leave ? '-' : output}`]
  const urls = asks.map(({ url }) => url)
  const { exitCode, stderr } = await run('wget', [...args, ...urls], environment({}), first.leave)
  const content = await readFile(output).catch(() => Buffer.alloc(0))
  const error = answered.has(exitCode) ? '' : stderr.trim()
  const blocks = readBlocks(stderr)
  if (asks.length === 1) {
    const { status, headers } = blocks.at(-1) ?? noBlock
    return [{ status, headers, ...toldContent(status, content), error }]
  }
  // One after the other in one file.
  let end = 0
  return blocks.map(({ status, headers }) => {
    const start = end
    end += Number(Object.fromEntries(headers)['content-length'])
    return { status, headers, ...toldContent(status, content.subarray(start, end)), error }
  })
}

function wgetArguments({ method, headers, bodyFile }: Ask, { proxy, caFile }: Place): string[] {
  const proxied =
    proxy === undefined ? [] : [`--execute=http_proxy=${proxy}`, `--execute=https_proxy=${proxy}`]
  return [
    '--no-config',
    '--no-hsts',
    '--no-verbose',
    '--server-response',
    '--content-on-error',
    '--tries=1',
    `--execute=use_proxy=${proxy === undefined ? 'no' : 'yes'}`,
    ...proxied,
    `--ca-certificate=${caFile}`,
    `--method=${method}`,
    ...headers.map(([name, value]) => `--header=${name}: ${value}`),
    ...(bodyFile === undefined ? [] : [`--body-file=${bodyFile}`]),
  ]
}
