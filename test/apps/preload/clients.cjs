// The clients of an app under the preload: each makes a call, then goes on where a caller of it would.
'use strict'
const { Writable } = require('node:stream')
const { setTimeout: sleep } = require('node:timers/promises')

const own = { 'x-own': 'kept' }
const bytes = (value) => value
const discard = (chunk, encoding, done) => done()

/**
 * Each is `(path, after)`: it calls the path, and then `after` from its callback, or from what awaited it.
 * @param packages as the app's way of loading gave them; those that this Node cannot run are missing.
 * @param http `{ request, get, Agent }`, under the names that the app imported.
 */
exports.createClients = ({ packages, http, upstream, grpcUpstream }) => {
  const made = new Map()
  /** One for each burst of requests, made by the first of them: cold, and saturated by the others. */
  const once = (name, burst, make) => {
    const key = `${name} ${burst}`
    if (!made.has(key)) made.set(key, make())
    return made.get(key)
  }

  const clients = {
    fetch: async (path, after) => {
      await (await fetch(upstream + path, { headers: own })).text()
      await after()
    },
    'fetch of a Request': async (path, after) => {
      await (await fetch(new Request(upstream + path, { method: 'POST', body: 'x', headers: own }))).text()
      await after()
    },
    'http.get': (path, after) =>
      new Promise((resolve, reject) => {
        http.get(upstream + path, (response) => {
          response.resume().on('end', () => after().then(resolve, reject))
        })
      }),
    'http.request on a saturated agent': (path, after, burst) =>
      new Promise((resolve, reject) => {
        const agent = once('agent', burst, () => new http.Agent({ keepAlive: true, maxSockets: 1 }))
        const request = http.request(new URL(upstream + path), { agent, method: 'POST', headers: own })
        request.on('response', (response) => {
          response.on('data', () => undefined)
          response.on('end', () => after().then(resolve, reject))
        })
        request.on('error', reject)
        request.write('x')
        request.end('y')
      }),
    'http.request without keep-alive on a saturated agent': (path, after, burst) =>
      new Promise((resolve, reject) => {
        const agent = once('closing', burst, () => new http.Agent({ keepAlive: false, maxSockets: 1 }))
        const { hostname, port } = new URL(upstream)
        http.get({ hostname, port, path, agent }).on('response', (response) => {
          response.resume().once('close', () => after().then(resolve, reject))
        })
      }),
    axios: async (path, after) => {
      await packages.axios.get(upstream + path)
      await after()
    },
    got: async (path, after) => {
      await packages.got(upstream + path)
      await after()
    },
  }

  for (const name of ['undici6', 'undici7', 'undici8']) {
    const undici = packages[name]
    if (undici === undefined) continue
    const pool = (burst) => once(name, burst, () => new undici.Pool(upstream, { connections: 1 }))
    clients[`${name} request`] = async (path, after) => {
      await (await undici.request(upstream + path, { headers: own })).body.text()
      await after()
    }
    clients[`${name} fetch`] = async (path, after) => {
      await (await undici.fetch(upstream + path)).text()
      await after()
    }
    clients[`${name} request on a saturated Pool`] = async (path, after, burst) => {
      const { body } = await pool(burst).request({ path, method: 'GET' })
      await new Promise((resolve, reject) => {
        body.resume().on('end', () => after().then(resolve, reject))
      })
    }
    clients[`${name} stream on a saturated Pool`] = async (path, after, burst) => {
      await pool(burst).stream(
        { path, method: 'GET', headers: ['X-Own', 'kept'] },
        () => new Writable({ write: discard }),
      )
      await after()
    }
    clients[`${name} pipeline on a saturated Pool`] = (path, after, burst) =>
      new Promise((resolve, reject) => {
        const pipeline = pool(burst).pipeline({ path, method: 'POST', headers: own }, ({ body }) => body)
        pipeline.on('error', reject).on('end', () => after().then(resolve, reject))
        pipeline.resume().end('x')
      })
    clients[`${name} dispatch on a saturated Client`] = (path, after, burst) =>
      new Promise((resolve, reject) => {
        const client = once(`${name} client`, burst, () => new undici.Client(upstream))
        const goOn = () => after().then(resolve, reject)
        const first = {
          onConnect() {},
          onHeaders: () => true,
          onData: () => true,
          onComplete: goOn,
          onError: reject,
        }
        const later = {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: goOn,
          onResponseError: (_, error) => reject(error),
        }
        client.dispatch({ path, method: 'GET', headers: own }, name === 'undici6' ? first : later)
      })
    clients[`${name} composed, with a queue before a saturated Pool`] = async (path, after, burst) => {
      const composed = once(`${name} composed`, burst, () =>
        new undici.Pool(upstream, { connections: 1 }).compose(queueing(), undici.interceptors.retry()),
      )
      await (await composed.request({ path, method: 'GET', headers: own })).body.dump()
      await after()
    }
    clients[`${name} RetryAgent`] = async (path, after, burst) => {
      const dispatcher = once(`${name} retry`, burst, () => new undici.RetryAgent(pool(burst)))
      await (await undici.request(upstream + path, { dispatcher })).body.dump()
      await after()
    }
  }

  const { grpc } = packages
  const createGrpc = () => new grpc.Client(grpcUpstream, grpc.credentials.createInsecure())
  const warm = createGrpc()
  for (const [kind, call] of Object.entries(grpcCalls(grpc))) {
    clients[`grpc ${kind}`] = (path, after) => call(warm, path, after)
    clients[`grpc ${kind} on a cold channel`] = (path, after, burst) =>
      call(once('grpc', burst, createGrpc), path, after)
  }
  const absent = new Set(['axios', 'got'].filter((name) => packages[name] === undefined))
  return Object.fromEntries(Object.entries(clients).filter(([name]) => !absent.has(name)))
}

/** One call at a time, each begun when the one before is answered: in the context of that one. */
function queueing() {
  const waiting = []
  let busy = false
  const next = () => {
    const begin = waiting.shift()
    busy = begin !== undefined
    begin?.()
  }
  return (dispatch) => (options, handler) => {
    const end = handler.onComplete === undefined ? 'onResponseEnd' : 'onComplete'
    const noting = new Proxy(handler, {
      get(target, name) {
        const member = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args) => {
          const result = Reflect.apply(member, target, args)
          if (name === end) next()
          return result
        }
      },
    })
    waiting.push(() => dispatch(options, noting))
    if (!busy) next()
    return true
  }
}

const settle = (after, resolve, reject) => (error) => (error ? reject(error) : after().then(resolve, reject))

function grpcCalls(grpc) {
  const metadataOf = (path) => {
    const metadata = new grpc.Metadata()
    metadata.set('x-path', path)
    return metadata
  }
  const message = Buffer.from('x')
  return {
    unary: (client, path, after) =>
      new Promise((resolve, reject) => {
        const done = settle(after, resolve, reject)
        client.makeUnaryRequest('/echo/Echo', bytes, bytes, message, metadataOf(path), done)
      }),
    'client stream': (client, path, after) =>
      new Promise((resolve, reject) => {
        const done = settle(after, resolve, reject)
        const call = client.makeClientStreamRequest('/echo/Echo', bytes, bytes, metadataOf(path), {}, done)
        call.write(message)
        call.end()
      }),
    'server stream': (client, path, after) =>
      new Promise((resolve, reject) => {
        const call = client.makeServerStreamRequest('/echo/Echo', bytes, bytes, message, metadataOf(path))
        call
          .on('error', reject)
          .resume()
          .on('end', settle(after, resolve, reject))
      }),
    'bidirectional stream': (client, path, after) =>
      new Promise((resolve, reject) => {
        const call = client.makeBidiStreamRequest('/echo/Echo', bytes, bytes, metadataOf(path))
        call
          .on('error', reject)
          .resume()
          .on('end', settle(after, resolve, reject))
        call.end(message)
      }),
  }
}

/** What a request of the app does: it waits, calls, and calls once more from where the first call went on. */
exports.createWork = (clients, { http, upstream }) => {
  const plain = (path) =>
    new Promise((resolve, reject) => {
      http.get(upstream + path, (response) => response.resume().on('end', resolve)).on('error', reject)
    })
  return async ({ client, id, burst }) => {
    await sleep(Math.random() * 10)
    await clients[client](`/${id}/first`, () => plain(`/${id}/after`), burst)
  }
}
