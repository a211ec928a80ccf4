// undici's request and stream, each with one of its two proxy agents: undici.ts request|stream ProxyAgent|EnvHttpProxyAgent
import { Agent, EnvHttpProxyAgent, interceptors, ProxyAgent, request, stream, type Dispatcher } from 'undici'
import { PassThrough } from 'node:stream'
import type { Ask } from '../ask.ts'
import { bodyOf, pairsOf, serveAsks, type CarryOut } from './lines.ts'

const [, , api, agentName] = process.argv
const proxy = process.env['HTTP_PROXY']
const dispatcher = agent().compose(interceptors.redirect({ maxRedirections: 3 }))

function agent(): Dispatcher {
  if (proxy === undefined) return new Agent()
  return agentName === 'ProxyAgent' ? new ProxyAgent(proxy) : new EnvHttpProxyAgent()
}

async function optionsOf(ask: Ask, signal: AbortSignal) {
  const body = await bodyOf(ask)
  return {
    method: ask.method,
    headers: Object.fromEntries(ask.headers),
    body: body ?? null,
    signal,
    dispatcher,
  }
}

const byRequest: CarryOut = async (ask, signal) => {
  const { statusCode, headers, body } = await request(ask.url, await optionsOf(ask, signal))
  return { status: statusCode, headers: pairsOf(headers), content: body }
}

const byStream: CarryOut = async (ask, signal) => {
  const options = await optionsOf(ask, signal)
  return new Promise((resolve, reject) => {
    const content = new PassThrough()
    const ended = stream(ask.url, options, ({ statusCode, headers }) => {
      resolve({ status: statusCode, headers: pairsOf(headers), content })
      return content
    })
    ended.catch((error: Error) => {
      content.destroy(error)
      reject(error)
    })
  })
}

await serveAsks(api === 'request' ? byRequest : byStream)
