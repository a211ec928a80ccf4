// An app as its author would write it: it answers, calls the next service, and does some work afterwards. It knows of no
// identity, no trace and no header of theirs; NEXT is a host, and HTTP_PROXY the way to it.
import { Agent, createServer, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'

const { NEXT, HTTP_PROXY, PORT } = process.env
// One pool for all users, smaller than their number.
const agent = new Agent({ keepAlive: true, maxSockets: 32, proxyEnv: { HTTP_PROXY } })
const random = (below) => Math.floor(Math.random() * below)

/** By one of two clients, each with its pool; `fetch` goes by HTTP_PROXY where NODE_USE_ENV_PROXY says so. */
async function call(path, signal) {
  const url = `http://${NEXT}${path}`
  if (random(2) === 0) {
    const response = await fetch(url, { signal })
    return { status: response.status, body: await response.text() }
  }
  const response = await new Promise((resolve, reject) => {
    get(url, { agent, signal }, resolve).on('error', reject)
  })
  return { status: response.statusCode, body: await text(response) }
}

/** Once more, later, where it did not go well. */
async function callWithRetry(path, signal) {
  const first = await call(path, signal)
  if (first.status < 500) return first
  await pause(random(20))
  return call(path, signal)
}

async function answer(request, response) {
  const leaving = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) leaving.abort()
  })
  await pause(random(8))
  const { status, body } = await callWithRetry(request.url, leaving.signal)
  response.writeHead(status).end(body)
  // Work after the response, for the user who asked for it.
  if (random(5) > 0) return
  setTimeout(() => void call(`${request.url}/late`).catch(() => undefined), random(30))
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(Number(PORT), '127.0.0.1', () => process.send?.('listening'))
