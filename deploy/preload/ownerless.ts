// What outlives the request that starts it, and then serves others: it belongs to nobody.
import http2 from 'node:http2'
import net from 'node:net'
import timers from 'node:timers'
import tls from 'node:tls'
import { makeOwnerless } from './context.ts'
import { replace } from './replace.ts'

/**
 * A connection that is pooled: what happens because of its bytes would else count as done for whoever opened it.
 * An interval: nobody knows whom its later rounds serve.
 */
export function makeLongLivedOwnerless(): void {
  makeOwnerless(net.Socket.prototype, 'connect')
  makeOwnerless(tls, 'connect')
  makeOwnerless(http2, 'connect')
  makeStreamsOwnerless()
  makeOwnerless(timers, 'setInterval')
  makeOwnerless(globalThis, 'setInterval')
}

/** A client that waited for its session begins all that waited in the context of the one who opened it. */
function makeStreamsOwnerless(): void {
  let isDone = false
  replace(
    http2,
    'connect',
    (connect) =>
      function (this: unknown, ...args) {
        const session = Reflect.apply(connect, this, args)
        // Its class is not exported.
        if (!isDone) makeOwnerless(Object.getPrototypeOf(session) as object, 'request')
        isDone = true
        return session
      },
  )
}
