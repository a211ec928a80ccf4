// The memory that a process holds, as the kernel counts it.
import { readFileSync } from 'node:fs'

export const mebibyte = 1024 * 1024

/** Only Linux says it of other processes without a tool. */
export const isLinux = process.platform === 'linux'

/** Octets of memory that a process holds now. */
export function residentOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

export interface Watch {
  /** The most that was seen; ends the watch. */
  readonly stop: () => number
}

/** Looks again and again how much a process holds. */
export function watchResident(pid: number): Watch {
  let peak = residentOf(pid)
  const look = () => {
    peak = Math.max(peak, residentOf(pid))
  }
  const timer = setInterval(look, sampleIntervalMs).unref()
  return {
    stop() {
      clearInterval(timer)
      look()
      return peak
    },
  }
}

const sampleIntervalMs = 20
