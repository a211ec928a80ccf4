// The inspector page: puts its parts together, and tells them what comes.
import { announceRefused } from './announce.ts'
import { Decisions } from './decisions.ts'
import { Detail } from './detail.ts'
import { byId, say } from './elements.ts'
import { showGraph } from './graph.ts'
import { MeshFile } from './mesh-file.ts'
import { Mesh } from './mesh.ts'
import { fromOf, servicesByAccount, toOf } from './people.ts'
import type { DecisionEvent, ServiceState } from './protocol.ts'
import { openQuestion } from './question.ts'
import { reachScrolled } from './scrolled.ts'
import { offerServices } from './service-choice.ts'
import { listen } from './stream.ts'
import { showConnection, showSummary } from './summary.ts'
import { openToken } from './token.ts'
import { showTrust } from './trust.ts'
import { clock, count } from './words.ts'

const token = openToken(() => void start())
const mesh = new Mesh()
const services = () => servicesByAccount(mesh.states)
const decisions: Decisions = new Decisions({ services, onChoose: choose })
const detail = new Detail({
  services,
  known: () => decisions.known,
  onLead: choose,
  onLeave: () => decisions.focus(),
})
const meshFile = new MeshFile(token)
let isListening = false
let isDue = false
let heardAtMs: number | undefined

function choose(decision: DecisionEvent): void {
  decisions.choose(decision)
  detail.show(decision)
}

async function start(): Promise<void> {
  if (isListening) return
  isListening = true
  await listen(token, {
    onState(state) {
      heardAtMs = Date.now()
      mesh.take(state, heardAtMs)
      renderSoon()
    },
    onDecision(decision) {
      decisions.take(decision)
      if (decision.outcome === 'refused' && !decisions.isPaused) {
        announceRefused(fromOf(decision, services()), toOf(decision), decision)
      }
      renderSoon()
    },
    onConnected: () => showConnection('connected', true),
    onLost(why, againMs) {
      const since = heardAtMs === undefined ? '' : ` What is shown is of ${clock(heardAtMs)}.`
      const seconds = Math.round(againMs / 100) / 10
      showConnection(`not connected: ${why}. Tries again in ${seconds} s.${since}`, false)
    },
  })
  isListening = false
  showConnection('not connected: there is no token that counts', false)
}

/** Once for all that comes together. */
function renderSoon(): void {
  if (isDue) return
  isDue = true
  requestAnimationFrame(render)
}

function render(): void {
  isDue = false
  const nowMs = Date.now()
  const { states } = mesh
  showSummary(mesh, nowMs)
  showGraph(mesh.ways(nowMs), states)
  decisions.render()
  detail.render()
  showTrust(states, nowMs)
  offerServices('question-service', states)
  offerServices('file-service', states)
  meshFile.render(states)
  showUnsent(states)
  reachScrolled()
}

function showUnsent(states: readonly ServiceState[]): void {
  const unsent = states.reduce((sum, { unsentDecisions }) => sum + unsentDecisions, 0)
  say(
    byId('unsent'),
    unsent === 0 ? '' : `${count(unsent, 'decision')} did not come here: there were too many.`,
  )
}

byId('file-service').addEventListener('change', render)
openQuestion(token)
render()
// Ages grow, and silence too, when nothing comes.
setInterval(renderSoon, 1_000)
void start()
