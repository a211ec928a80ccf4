// Who leaves, and when: each side hears of the other's leaving, and nothing that was broken off looks whole.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { ask, type Asked, type Version } from './peers.ts'
import { serverVersions, startVersionedApp, type Request, type VersionedApp } from './versioned-app.ts'
import { startWay, allWays } from './ways.ts'

const clients: readonly Version[] = ['HTTP/1.1', 'h2c']

interface Cell {
  readonly client: Version
  readonly app: VersionedApp
  readonly to: Pick<Asked, 'port' | 'host' | 'headers'>
}

/** More than any buffer on the way holds. */
const part = Buffer.alloc(1_000_000)

/** A body that has begun, and goes on only as far as it is asked to. */
function endless(): Readable {
  return new Readable({
    read() {
      this.push(part)
    },
  })
}

function begun(): Readable {
  const body = new Readable({ read: () => undefined })
  body.push('begun')
  return body
}

/** How a request ended for the app. */
function endOf(request: Request): Promise<'whole' | 'broken off'> {
  return new Promise((resolve) => {
    request.once('end', () => resolve('whole'))
    for (const event of ['error', 'aborted', 'close']) request.once(event, () => resolve('broken off'))
  })
}

const checks: Readonly<Record<string, (t: TestContext, cell: Cell) => Promise<void>>> = {
  async 'a client that leaves before it is answered'(t, { client, app, to }) {
    const [come, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    app.handler = (_request, response) => {
      response.once('close', gone.resolve)
      come.resolve()
    }
    const asking = ask(t, client, { ...to, path: '/' })
    await come.promise
    asking.leave()
    await gone.promise
  },

  async 'a client that leaves in the middle of its upload'(t, { client, app, to }) {
    const [come, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()]
    app.handler = (request) => {
      void endOf(request).then(ended.resolve)
      request.once('data', () => come.resolve()).on('error', () => undefined)
    }
    const asking = ask(t, client, { ...to, method: 'POST', path: '/', body: begun() })
    await come.promise
    asking.leave()
    assert.equal(await ended.promise, 'broken off')
  },

  async 'a client that leaves in the middle of a download that it does not read'(t, { client, app, to }) {
    const gone = Promise.withResolvers<void>()
    app.handler = (_request, response) => {
      response.once('close', gone.resolve)
      endless()
        .on('error', () => undefined)
        .pipe(response)
    }
    const asking = ask(t, client, { ...to, path: '/' })
    const { body } = await asking.answered
    body.on('error', () => undefined)
    asking.leave()
    await gone.promise
  },

  async 'an app that leaves in the middle of its answer'(t, { client, app, to }) {
    const leave = Promise.withResolvers<void>()
    app.handler = async (_request, response) => {
      response.write('begun')
      await leave.promise
      response.destroy()
    }
    const { status, body } = await ask(t, client, { ...to, path: '/' }).answered
    body.once('data', () => leave.resolve())
    assert.equal(status, 200)
    await assert.rejects(text(body))
  },

  async 'an app that leaves in the middle of an upload'(t, { client, app, to }) {
    app.handler = (request, response) => {
      request.once('data', () => response.destroy()).on('error', () => undefined)
    }
    const { status, headers, body } = await ask(t, client, {
      ...to,
      method: 'POST',
      path: '/',
      body: begun(),
    }).answered
    body.on('error', () => undefined).resume()
    assert.deepEqual([status, headers['x-onbehalf-error']], [502, 'upstream_reset'])
  },

  async 'an app that answers before the upload is over'(t, { client, app, to }) {
    app.handler = (request, response) => {
      request.once('data', () => {
        response.statusCode = 413
        response.end('too much')
      })
    }
    const asking = ask(t, client, { ...to, method: 'POST', path: '/', body: begun() })
    const { status, body } = await asking.answered
    assert.deepEqual([status, await text(body)], [413, 'too much'])
    asking.leave()
  },
}

for (const way of allWays) {
  for (const server of serverVersions) {
    for (const client of clients) {
      test(`${client} ${way}, which speaks ${server}`, async (t) => {
        const app = await startVersionedApp(t, server, () => undefined)
        const { to } = await startWay(t, way, app.origin)
        for (const [name, check] of Object.entries(checks))
          await t.test(name, { timeout: 20_000 }, (inner) => check(inner, { client, app, to }))
      })
    }
  }
}
