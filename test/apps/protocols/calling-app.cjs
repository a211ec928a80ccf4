// An app that serves one version of HTTP and calls on in others; who its users are it does not know.
'use strict'
const http = require('node:http')
const http2 = require('node:http2')
const { setTimeout: sleep } = require('node:timers/promises')
const grpc = require('@grpc/grpc-js')
const undici = require('undici8')

const { VERSION, PORT, OUTBOUND, NEXT, CERT, KEY } = process.env
const sidecar = `http://127.0.0.1:${OUTBOUND}`
const asIs = (bytes) => bytes

const h2c = new undici.H2CClient(sidecar, { pipelining: 100, maxConcurrentStreams: 100 })
const agent = new undici.Agent()
const channel = new grpc.Client(`127.0.0.1:${OUTBOUND}`, grpc.credentials.createInsecure(), {
  'grpc.default_authority': NEXT,
})
const session = http2.connect(sidecar)

/** Each calls a path of the next service, and gives what it answers. */
const calls = {
  'http.request': (path) =>
    new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: OUTBOUND, path, headers: { Host: NEXT } }
      http.get(where, (response) => resolve(readAll(response))).on('error', reject)
    }),
  'undici in HTTP/1.1': async (path) =>
    (await agent.request({ origin: sidecar, path, method: 'GET', headers: { host: NEXT } })).body.text(),
  'undici in HTTP/2': async (path) =>
    (await h2c.request({ path, method: 'GET', headers: { host: NEXT } })).body.text(),
  'grpc-js': (path) =>
    new Promise((resolve, reject) => {
      const done = (error, answer) => (error ? reject(error) : resolve(String(answer)))
      channel.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), new grpc.Metadata(), {}, done)
    }),
  /** No preload can know whose such a stream is: the app copies the one header. */
  'node:http2, with the header copied': (path, handle) => {
    const stream = session.request({ ':path': path, ':authority': NEXT, 'x-onbehalf-handle': handle })
    return readAll(stream)
  },
}

async function readAll(stream) {
  let all = ''
  for await (const part of stream.setEncoding('utf8')) all += part
  return all
}

async function serve(request, response) {
  const [, call, number] = request.url.split('/')
  await sleep(Math.random() * 10)
  const answer = await calls[decodeURIComponent(call)](
    `/${call}/${number}`,
    request.headers['x-onbehalf-handle'],
  )
  response.end(answer)
}

function listener(request, response) {
  serve(request, response).catch((error) => response.writeHead(500).end(String(error.stack)))
}

function createServer() {
  if (VERSION === 'HTTP/1.1') return http.createServer(listener)
  if (VERSION === 'h2c') return http2.createServer(listener)
  return http2.createSecureServer({ cert: CERT, key: KEY, allowHTTP1: true }, listener)
}

createServer().listen(Number(PORT), '127.0.0.1', () => process.send(Object.keys(calls)))
