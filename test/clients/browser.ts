// What the browser's tests stand on: an app that serves a page and what the page asks for, and one that is driven.
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createClientApp, type ClientApp } from './app.ts'
import { startChromium, type BrowserPlace, type Page } from './chromium.ts'

const folder = join(import.meta.dirname, 'browser')

/** How many events the app sends before it ends their stream. */
export const eventCount = 4

/** The app of the scenarios, with a page. */
export function createPageApp(): ClientApp {
  let onSeen = Promise.withResolvers<void>()
  return createClientApp({
    '/page.html': serveFile('page.html', 'text/html; charset=utf-8'),
    '/page.js': serveFile('page.js', 'text/javascript'),
    '/page.css': serveFile('page.css', 'text/css'),
    '/image.svg': serveFile('image.svg', 'image/svg+xml'),
    '/to-page': (_request, response) => void response.writeHead(302, { Location: '/page.html' }).end(),
    '/events': async (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (let i = 1; i <= eventCount; i++) {
        onSeen = Promise.withResolvers()
        response.write(`data: ${i}\n\n`)
        // Held back anywhere on the way, the event is never confirmed.
        if (i < eventCount) await onSeen.promise
      }
      await once(response, 'close')
    },
    '/seen': (_request, response) => {
      onSeen.resolve()
      response.end()
    },
    '/cached': (request, response) => {
      const isFresh = request.headers['if-none-match'] === '"v1"'
      response.writeHead(isFresh ? 304 : 200, { ETag: '"v1"', 'Cache-Control': 'no-cache' })
      response.end(isFresh ? undefined : 'from the app, once')
    },
    '/open': open,
  })
}

function serveFile(name: string, type: string) {
  return async (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' })
    response.end(await readFile(join(folder, name)))
  }
}

/** An answer that is open to pages of every origin. */
function open(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Access-Control-Allow-Origin', '*')
  response.setHeader('Access-Control-Allow-Headers', 'x-own, x-pomerium-jwt-assertion')
  response.writeHead(request.method === 'OPTIONS' ? 204 : 200).end()
}

/** A tab whose browser ends with the test; what it connects to is to end after that, for it waits for its clients. */
export async function openBrowser(t: TestContext, place: BrowserPlace = direct): Promise<Page> {
  const { page, stop } = await startChromium(place)
  t.after(stop)
  return page
}

const direct: BrowserPlace = { proxy: undefined, origin: 'http://127.0.0.1', caPin: '' }

/** Methods and targets of what has arrived, in order of the alphabet: a page asks for its parts at once. */
export function arrived({ received }: ClientApp): string[] {
  return received.map(({ method, url }) => `${method} ${url}`).sort()
}

/** All that a load of the page asks for. */
export const pageParts = ['GET /image.svg', 'GET /page.css', 'GET /page.html', 'GET /page.js']

/** What the page says of itself when it has loaded whole. */
export const wholePage = { color: 'rgb(1, 2, 3)', width: 7, status: 200 }
