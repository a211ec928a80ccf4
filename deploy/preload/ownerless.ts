// What outlives the request that starts it, and then serves others: it belongs to nobody.
import http2 from 'node:http2'
import net from 'node:net'
import timers from 'node:timers'
import tls from 'node:tls'
import { makeOwnerless } from './context.ts'

/**
 * A connection that is pooled: what happens because of its bytes would else count as done for whoever opened it.
 * An interval: nobody knows whom its later rounds serve.
 */
export function makeLongLivedOwnerless(): void {
  makeOwnerless(net.Socket.prototype, 'connect')
  makeOwnerless(tls, 'connect')
  makeOwnerless(http2, 'connect')
  makeOwnerless(timers, 'setInterval')
  makeOwnerless(globalThis, 'setInterval')
}
