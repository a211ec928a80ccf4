#!/usr/bin/env node
// The program itself, with all of its commands.
import { runProgram } from '../../sidecar/cli/program.ts'
import { commands } from './commands.ts'

runProgram(commands)
