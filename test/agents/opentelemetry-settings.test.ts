// An app under OpenTelemetry's agent with the settings that teams change: what is sampled, and which propagators there are.
import { propagators, samplers } from './agents.ts'
import { fewCells } from './cells.ts'
import { testAgent } from './test-agent.ts'

for (const agent of [...samplers, ...propagators]) testAgent(agent, fewCells)
