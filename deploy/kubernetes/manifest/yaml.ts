// YAML as kubectl reads and writes it: that of version 1.1, in which `yes` is no text and `0400` is octal, without sexagesimals and times.
import { parseAllDocuments, stringify, visit, type Document, type Tags } from 'yaml'

const left: ReadonlySet<unknown> = new Set(
  ['timestamp', 'set', 'omap', 'pairs'].map((name) => `tag:yaml.org,2002:${name}`),
)

/** `0o400` is octal to kubectl, too. */
function tagsOfKubectl(tags: Tags): Tags {
  const kept = tags.filter(
    (tag) => typeof tag === 'string' || !(left.has(tag.tag) || ('format' in tag && tag.format === 'TIME')),
  )
  return [...kept, 'intOct']
}

export function parseYaml(text: string): readonly Document[] {
  const documents = parseAllDocuments(text, {
    version: '1.1',
    customTags: tagsOfKubectl,
    keepSourceTokens: true,
    merge: true,
  })
  return 'empty' in documents ? [] : documents
}

/** Whether a text in `|` or `>` has no line feed at its end for kubectl, since the file ends there: with one it is another text. */
export function endsInBlock(text: string): boolean {
  if (text.endsWith('\n')) return false
  let isWithin = false
  const last = parseYaml(text).at(-1)
  if (last === undefined) return false
  visit(last, {
    Scalar(_, { type, range, value }) {
      const isKept = type?.startsWith('BLOCK_') === true && String(value).endsWith('\n')
      isWithin ||= isKept && (range?.[2] ?? 0) >= text.length
    },
  })
  return isWithin
}

/** Quoted is what any version reads as something else. */
export function writeYaml(value: unknown): string {
  return stringify(value, { version: '1.1', compat: 'core', lineWidth: 0, aliasDuplicateObjects: false })
}
