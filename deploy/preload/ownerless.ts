// What outlives the request that starts it, and then serves others: it belongs to nobody.
import childProcess from 'node:child_process'
import dgram from 'node:dgram'
import http2 from 'node:http2'
import net from 'node:net'
import timers from 'node:timers'
import tls from 'node:tls'
import workerThreads from 'node:worker_threads'
import { bindFunction, currentHandle, makeOwnerless, ownerless, runWith } from './context.ts'
import { replace, type Callable } from './replace.ts'

/**
 * A connection that is pooled, a worker, a child process: what happens because of what it says would else count as
 * done for whoever began it. An interval: nobody knows whom its later rounds serve.
 */
export function makeLongLivedOwnerless(): void {
  makeWorkersOwnerless()
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

function makeWorkersOwnerless(): void {
  for (const name of ['execFile', 'exec']) replace(childProcess, name, keepingCallback)
  makeOwnerless(childProcess.ChildProcess.prototype, 'spawn')
  makeOwnerless(dgram, 'createSocket')
  const { Worker } = workerThreads
  workerThreads.Worker = new Proxy(Worker, {
    construct: (target, args, newTarget) =>
      runWith(ownerless(), () => Reflect.construct(target, args, newTarget) as object),
  })
}

/** What is run for one answer goes on as whoever asked. */
function keepingCallback(run: Callable): Callable {
  return function (this: unknown, ...args) {
    const last = args.at(-1)
    const bound = typeof last === 'function' ? bindFunction(last as Callable, currentHandle()) : last
    return Reflect.apply(run, this, [...args.slice(0, -1), ...(args.length === 0 ? [] : [bound])])
  }
}
