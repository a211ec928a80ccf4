// The files of the inspector page: bundled with the sidecar, or read from its sources, types stripped.
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

export interface PageFile {
  readonly type: string
  readonly text: string
}

/** By path, as the page asks for them. */
export type PageFiles = Readonly<Record<string, PageFile>>

/** Set by the bundler. */
declare const ONBEHALF_PAGE: PageFiles

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  ts: 'text/javascript; charset=utf-8',
}

/** Read once, when the page is first asked for. */
export function pageFiles(): PageFiles {
  files ??= typeof ONBEHALF_PAGE === 'object' ? ONBEHALF_PAGE : readPageFiles()
  return files
}
let files: PageFiles | undefined

/** From the sources. A module of the page keeps its name, by which the others import it. */
export function readPageFiles(folder = join(import.meta.dirname, 'page')): PageFiles {
  const names = readdirSync(folder).filter((name) => Object.hasOwn(types, extensionOf(name)))
  return Object.fromEntries(
    names.map((name) => {
      const extension = extensionOf(name)
      const source = readFileSync(join(folder, name), 'utf8')
      const text = extension === 'ts' ? stripTypeScriptTypes(source) : source
      return [name === 'index.html' ? '/' : `/page/${name}`, { type: types[extension] as string, text }]
    }),
  )
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
