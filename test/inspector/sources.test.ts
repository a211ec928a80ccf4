// What the sources of the page may hold: a browser gets each file as it is, under a strict policy, without a bundler.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'

const folder = join(import.meta.dirname, '../../sidecar/admin/page')
const names = await readdir(folder)
const read = async (name: string) => [name, await readFile(join(folder, name), 'utf8')] as const
const scripts = await Promise.all(names.filter((name) => name.endsWith('.ts')).map(read))
const [, page] = await read('index.html')
const [, look] = await read('page.css')

test('what is left without types imports only what is beside it, and nothing of the protocol', () => {
  for (const [name, text] of scripts.filter(([each]) => each !== 'protocol.ts')) {
    const imported = [...stripTypeScriptTypes(text).matchAll(/\bfrom\s*'([^']*)'|\bimport\s*\('?([^)']*)/g)]
    for (const [, from = '', other = ''] of imported) {
      assert.match(from + other, /^\.\/[\w-]+\.ts$/, name)
      assert.ok(names.includes((from + other).slice(2)), `${name} imports ${from}`)
      assert.notEqual(from, './protocol.ts', name)
    }
  }
})

test('the page is small parts, each of which says what it owns', () => {
  assert.ok(scripts.length > 20)
  for (const [name, text] of scripts) {
    assert.match(text, /^\/\/ [A-Z"].*[.:]$/m, name)
    assert.ok(text.split('\n').length < 300, `${name} is long`)
  }
})

test('no text becomes markup or code', () => {
  const sinks =
    /innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|setHTML|srcdoc/
  for (const [name, text] of scripts) assert.doesNotMatch(text, sinks, name)
})

test('nothing is inline, and nothing comes from elsewhere', () => {
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/)
  const addresses = [...page.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, address]) => address)
  assert.equal(addresses.length, 3)
  for (const address of addresses)
    assert.match(`${address}`, /^(?:data:image\/svg|\/page\/[\w-]+\.(?:css|ts)$)/)
  assert.doesNotMatch(look, /url\(|@import/)
})
