// Loaded before a Node app: carries the opaque handle of each request that the app serves onto the calls made for it.
import module from 'node:module'
import { adaptDataLoader } from './dataloader.ts'
import { carryOnFetch } from './fetch.ts'
import { adaptGrpc } from './grpc.ts'
import { carryOnHttp } from './http.ts'
import { adaptWhenLoaded } from './loaded.ts'
import { makeLongLivedOwnerless } from './ownerless.ts'
import { serveInContext } from './server.ts'
import { adaptDispatcher, adaptGlobalDispatcher } from './undici.ts'

const isLoaded = Symbol.for('onbehalf.preload')

function start(): void {
  serveInContext()
  makeLongLivedOwnerless()
  carryOnHttp()
  carryOnFetch()
  adaptWhenLoaded({
    '/lib/dispatcher-base.js': adaptDispatcher,
    '/lib/dispatcher/dispatcher-base.js': adaptDispatcher,
    '/lib/dispatcher/dispatcher.js': adaptDispatcher,
    '/lib/global.js': adaptGlobalDispatcher,
    '/grpc-js/build/src/client.js': adaptGrpc,
    '/dataloader/index.js': adaptDataLoader,
  })
  // What ES modules import by name is a copy.
  module.syncBuiltinESMExports()
}

// Required and imported, or named twice: once is enough.
if (!(isLoaded in globalThis)) {
  Object.defineProperty(globalThis, isLoaded, { value: true })
  start()
}
