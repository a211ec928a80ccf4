// What Linux tells of a process and its descendants in /proc: CPU time and resident memory.
import { readdir, readFile } from 'node:fs/promises'

/** The unit of CPU time in /proc (USER_HZ): 10 ms on every architecture that Node has builds for. */
const tickMs = 10

export interface ProcessStat {
  readonly parent: number
  /** User and system time of all its threads. */
  readonly cpuMs: number
}

/** Reads the text of /proc/<pid>/stat, where the command's name may hold spaces and parentheses (proc(5)). */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number)
  if (![parent, user, system].every(Number.isInteger)) throw new Error('this is not /proc/<pid>/stat')
  return { parent: parent as number, cpuMs: ((user as number) + (system as number)) * tickMs }
}

export interface Memory {
  readonly rss_mib: number
  /** What the process allocated. */
  readonly rss_anon_mib: number
  /** Pages of files: program and libraries, shared with every other process that maps them. */
  readonly rss_file_mib: number
}

/** Reads the text of /proc/<pid>/status. */
export function parseStatus(text: string): Memory {
  return {
    rss_mib: mebibytes(text, 'VmRSS'),
    rss_anon_mib: mebibytes(text, 'RssAnon'),
    rss_file_mib: mebibytes(text, 'RssFile'),
  }
}

function mebibytes(text: string, name: string): number {
  const kibibytes = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]
  if (kibibytes === undefined) throw new Error(`/proc/<pid>/status has no ${name}`)
  return Number(kibibytes) / 1024
}

/** CPU time that the process and its descendants have used so far. */
export async function cpuMs(pid: number): Promise<number> {
  return sum((await family(pid)).map(({ stat }) => stat.cpuMs))
}

/** Memory of the process and its descendants; pages that they share are counted for each. */
export async function memory(pid: number): Promise<Memory> {
  const members = await family(pid)
  const parts = await Promise.all(
    members.map(async (member) => parseStatus(await readFile(`/proc/${member.pid}/status`, 'utf8'))),
  )
  return {
    rss_mib: sum(parts.map((part) => part.rss_mib)),
    rss_anon_mib: sum(parts.map((part) => part.rss_anon_mib)),
    rss_file_mib: sum(parts.map((part) => part.rss_file_mib)),
  }
}

/** How many descriptors the process has open. */
export async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

interface Member {
  readonly pid: number
  readonly stat: ProcessStat
}

async function family(pid: number): Promise<Member[]> {
  const all = await everyProcess()
  const members = all.filter((each) => each.pid === pid)
  if (members.length === 0) throw new Error(`process ${pid} has ended`)
  // The list grows while it is walked: children, then their children.
  for (const member of members) members.push(...all.filter(({ stat }) => stat.parent === member.pid))
  return members
}

async function everyProcess(): Promise<Member[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined) // it has ended meanwhile
      return text === undefined ? [] : [{ pid: Number(name), stat: parseStat(text) }]
    }),
  )
  return found.flat()
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
