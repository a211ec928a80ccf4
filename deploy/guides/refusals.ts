// Writes the guide of refusals from the words that `onbehalf explain` says: `node deploy/guides/refusals.ts`.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { refusalCodes, statusOf } from '../../shared/errors.ts'
import { refusalGuide } from '../../shared/refusal-guide.ts'

const intro = `# Refusals

Every refusal has a code, in the answer's JSON (\`error\`) and in \`x-onbehalf-error\`. The same words are on the command
line: \`onbehalf explain <code>\`; and \`onbehalf explain <request id>\` says them beside what was found in that request.

<!-- Made of shared/refusal-guide.ts by deploy/guides/refusals.ts. -->
`

export function refusalsPage(): string {
  const sections = refusalCodes.map((code) => {
    const { means, causes, change } = refusalGuide[code]
    return `### ${code}\n\n${statusOf(code)}. ${means}\n\n- **Usually:** ${causes}\n- **Change:** ${change}\n`
  })
  return [intro, ...sections].join('\n')
}

if (import.meta.main) await writeFile(path.join(import.meta.dirname, 'refusals.md'), refusalsPage())
