// Prints what became of the requests while what the sidecars share was lost, renewed and lied about.
import { visit, wentRight, type Visit } from './chains.ts'
import { listHappenings } from './happenings.ts'
import { startLoad, type Asked, type Load } from './load.ts'
import type { PomeriumUser } from './pomerium.ts'
import { heading, table, verdict } from './print.ts'
import type { Happening, Scene } from './scene.ts'
import type { Topology } from './topology.ts'

interface Row {
  readonly cells: readonly string[]
  readonly isRight: boolean
  /** A request that went wrong. */
  readonly wrong: Visit | undefined
}

/**
 * Prints a row for each thing that happens while requests go on.
 * @returns whether each ended as it should, with every request answered as it should be
 */
export async function showSharing(
  stage: Omit<Scene, 'load'>,
  users: Readonly<Record<string, PomeriumUser>>,
): Promise<boolean> {
  console.log(heading('What the sidecars share, while up to 25 requests a second go on (half a minute)'))
  const load = startLoad(Object.keys(users), asker(stage.topology, users))
  const rows: Row[] = []
  for (const happening of listHappenings({ ...stage, load })) rows.push(await watch(load, happening))
  const { right, sent } = await load.end()
  const isRight = right === sent
  rows.push({
    cells: ['all requests', `${right} of ${sent}`, '', verdict(isRight)],
    isRight,
    wrong: undefined,
  })
  console.log(
    table(
      ['what happens', 'requests', 'what is seen', ''],
      rows.map(({ cells }) => cells),
    ),
  )
  const wrong = rows.find((row) => row.wrong !== undefined)?.wrong
  if (wrong !== undefined) console.log(`\n  An answer that differs: ${wrong.body}`)
  return rows.every((row) => row.isRight)
}

function asker(topology: Topology, users: Readonly<Record<string, PomeriumUser>>) {
  return async (user: string, index: number): Promise<Asked> => {
    const startedMs = performance.now()
    const asked = await visit(topology, user, index)
    const isRight = wentRight(topology, users[user] as PomeriumUser, asked)
    return { visit: asked, isRight, tookMs: performance.now() - startedMs }
  }
}

/** What fails does not end the rest: it is a row that differs. */
export async function watch(load: Load, { title, happen }: Happening): Promise<Row> {
  const { right, sent, wrong, outcome } = await load.during(() =>
    happen().catch((error: unknown) => ({ text: `failed: ${messageOf(error)}`, isRight: false })),
  )
  const isRight = outcome.isRight && right === sent && sent > 0
  return { cells: [title, `${right} of ${sent}`, outcome.text, verdict(isRight)], isRight, wrong }
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0] ?? ''
}
