#!/usr/bin/env node
// The program itself: nothing but the process around `main`.
import { main } from './main.ts'

const { stdout, stderr, env } = process
main(process.argv.slice(2), { stdout, stderr, env, cwd: process.cwd() }).then(
  (status) => {
    process.exitCode = status
  },
  (error: unknown) => {
    stderr.write(`onbehalf: ${error instanceof Error ? error.message : 'failed'}\n`)
    process.exitCode = 2
  },
)
