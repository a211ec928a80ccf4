// An app under the agents of Datadog and Elastic, under Sentry alone, and under none.
import { datadog, elastic, none, sentry } from './agents.ts'
import { coveringCells, fewCells } from './cells.ts'
import { testAgent } from './test-agent.ts'

for (const agent of [datadog, elastic]) testAgent(agent, coveringCells)
for (const agent of [sentry, none]) testAgent(agent, fewCells)
