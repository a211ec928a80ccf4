// Waits for what comes about by itself, where nothing tells that it has.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

/** Asks again and again until it is so. The deadline is for what never comes, and says nothing of how long it takes. */
export async function eventually(isSo: () => Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const startedMs = performance.now()
  while (!(await isSo())) {
    assert.ok(performance.now() - startedMs < deadlineMs, `it did not come about within ${deadlineMs} ms`)
    await pause(20)
  }
}
