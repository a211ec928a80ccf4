// curl as a client: one process for what is asked together.
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toldContent, type Ask, type Client, type Place, type Told } from './ask.ts'
import { environment, missingProgram, run } from './child.ts'
import { noBlock, readBlocks } from './header-blocks.ts'

export const curl: Client = {
  name: 'curl',
  missing: missingProgram('curl'),
  cannot: {},
  decodes: false,
  async start(place) {
    return { ask: (asks) => askCurl(asks, place), stop: async () => undefined }
  },
}

/** The environment of a curl that is told of the proxy and the authority. */
export function curlEnvironment({ proxy, caFile }: Place): NodeJS.ProcessEnv {
  // Of HTTP_PROXY curl reads the lower case only: a CGI script's HTTP_PROXY is a client's header.
  return environment({ http_proxy: proxy, https_proxy: proxy, CURL_CA_BUNDLE: caFile })
}

async function askCurl(asks: readonly Ask[], place: Place): Promise<Told[]> {
  const folder = await mkdtemp(join(place.folder, 'curl-'))
  const files = asks.map((_, i) => ({
    head: join(folder, `${i}.head`),
    content: join(folder, `${i}.content`),
  }))
  const args = asks.flatMap((ask, i) => {
    const { head, content } = files[i] as (typeof files)[number]
    const output = ask.leave ? [] : ['--output', content]
    return [...(i === 0 ? [] : ['--next']), ...curlArguments(ask), '--dump-header', head, ...output]
  })
  const leaves = asks.some((ask) => ask.leave)
  const { stderr } = await run('curl', args, curlEnvironment(place), leaves)
  return Promise.all(
    files.map(async ({ head, content }, i) => {
      const heads = await readFile(head, 'latin1')
      const output = await readFile(content).catch(() => Buffer.alloc(0))
      // Asked for the head, curl takes it for the content.
      const told = asks[i]?.method === 'HEAD' ? output.subarray(heads.length) : output
      const { status, headers } = readBlocks(heads).at(-1) ?? noBlock
      return { status, headers, ...toldContent(status, told), error: stderr.trim() }
    }),
  )
}

function curlArguments({ method, url, headers, bodyFile, streamed }: Ask): string[] {
  const fields = headers.flatMap(([name, value]) => ['--header', `${name}: ${value}`])
  return [
    '--silent',
    '--show-error',
    '--location',
    '--no-buffer',
    // Longer than the deadline: a body that is sent without the go-ahead would hide that none came.
    '--expect100-timeout',
    '60',
    ...(method === 'HEAD' ? ['--head'] : ['--request', method]),
    ...fields,
    ...(bodyFile === undefined ? [] : bodyArguments(bodyFile, method, streamed === true)),
    url,
  ]
}

function bodyArguments(bodyFile: string, method: string, streamed: boolean): string[] {
  if (streamed) return ['--upload-file', bodyFile, '--header', 'Transfer-Encoding: chunked']
  return method === 'PUT' ? ['--upload-file', bodyFile] : ['--data-binary', `@${bodyFile}`]
}
