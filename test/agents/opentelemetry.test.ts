// An app under OpenTelemetry's zero-code agent as it comes.
import { plainOpenTelemetry } from './agents.ts'
import { coveringCells } from './cells.ts'
import { testAgent } from './test-agent.ts'

testAgent(plainOpenTelemetry, coveringCells)
