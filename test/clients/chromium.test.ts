// Chromium's fetch through the sidecar: what all clients do.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ask, Client, Told } from './ask.ts'
import { missingProgram } from './child.ts'
import { startChromium } from './chromium.ts'
import { testClient } from './matrix.ts'

const newInput = `document.body.appendChild(Object.assign(document.createElement('input'), { type: 'file' }))`

const chromium: Client = {
  name: "Chromium's fetch",
  missing: missingProgram('chromium'),
  cannot: {
    stream: 'Chromium streams request bodies over HTTP/2 only',
    expect: 'a page cannot set Expect',
    'other origins': 'a page cannot read what another origin does not open to it',
    cookies: 'a page cannot see Set-Cookie',
  },
  decodes: true,
  async start(place) {
    const { page, stop } = await startChromium(place)
    const code = await readFile(join(import.meta.dirname, 'browser/ask.js'), 'utf8')
    const askOne = async (ask: Ask): Promise<Told> => {
      if (ask.bodyFile !== undefined) await page.chooseFile(newInput, ask.bodyFile)
      return (await page.evaluate(`carryOut(${JSON.stringify(ask)})`)) as Told
    }
    // Into the app this is refused, which makes a page of that origin all the same.
    assert.equal(await page.goto(`${place.origin}/page`), '')
    await page.evaluate(code)
    return {
      async ask(asks) {
        const told: Told[] = []
        for (const ask of asks) told.push(await askOne(ask))
        return told
      },
      stop,
    }
  },
}

testClient(chromium)
