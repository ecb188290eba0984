import type { NodeDef } from 'node-red'
import { PlatziverseError, type ErrorCode } from '../../lib/errors.ts'
import type { IntakeHandler } from '../../lib/intake/intake-handler.ts'
import { attachIntake, detachIntake } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { languageOf, sayIn } from '../shared/language.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import type { RED, RedMessage, RedNode } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { bad, liveStatus, problemText } from '../shared/status.ts'
import { warningsOf } from '../shared/warnings.ts'
import { registerAdmin } from './admin.ts'
import type { AgentInConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { intakeOptionsOf } from './options.ts'
import { statusOf } from './status.ts'

const outputs = { connected: 0, disconnected: 1, message: 2, rejected: 3 } as const
/** The ids that each output leads to; not in Node-RED's types. */
type Wired = RedNode & { readonly wires: string[][] }

/** ms for which the status shows why a delivery was not stored. */
const showFailureFor = 10_000

/** Takes the three topics off a broker. Outputs: connected, disconnected, message, rejected. */
export default function (RED: RED): void {
  watchFlows(RED)
  registerAdmin(RED)

  function AgentInNode (this: RedNode, saved: NodeDef & AgentInConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = orRefuse(RED, this, () => readSaved(upgrade, saved))
    if (config === undefined) return
    const { broker } = config
    if (!broker) {
      const missing = new PlatziverseError('BROKER_MISSING', 'No broker is chosen.')
      this.error(missing)
      this.status(bad(problemText(RED, missing.code)))
      return
    }
    const say = sayIn(languageOf(RED))
    const warnings = warningsOf(this, say)

    const emit = (output: keyof typeof outputs, message: object): void => {
      const messages: Array<RedMessage | null> = [null, null, null, null]
      messages[outputs[output]] = message as RedMessage
      try {
        this.send(messages)
      } catch (error) {
        // Node-RED may fail to clone a message, and no caller would catch that.
        this.error(error)
      }
    }
    let failure: { code: ErrorCode, until: number } = { code: 'DELIVERY_UNSETTLED', until: 0 }
    const handler: IntakeHandler = {
      message: ({ kind, topic, payload }, delivery, source) => {
        // Several messages may be made of one publication.
        emit(kind, { _msgid: delivery.id, topic, payload, delivery, ...source === undefined ? {} : { source: { ...source } } })
      },
      rejected: (payload, delivery) => {
        const { topic, reason, detail } = payload
        // With a wire, the flow gets them.
        const isWired = ((this as Wired).wires[outputs.rejected] ?? []).length > 0
        const client = JSON.stringify(delivery.clientId)
        if (!isWired) warnings.warn('rejected', say('Rejected, from client {1} on {2}: {3}: {4}', client, topic, reason, detail))
        emit('rejected', { topic, payload, delivery })
      },
      noticed: (kind, detail, clientId) => { warnings.warn(`${kind} ${clientId}`, say('Client {1}: {2}', JSON.stringify(clientId), detail)) },
      unsettled: (error, _count, { topic, payload }, delivery) => {
        failure = { code: error.code, until: Date.now() + showFailureFor }
        this.error(error, { topic, payload, delivery } as RedMessage)
      }
    }
    const options = intakeOptionsOf(config)
    const problems = options.otherTopics?.problems ?? []
    for (const problem of problems) this.error(problem)
    const intake = attachIntake(this.id, broker, handler, options)
    const status = liveStatus(this, () => {
      if (Date.now() < failure.until) return { ...bad(problemText(RED, failure.code)), shape: 'dot' }
      return problems[0] === undefined ? statusOf(RED, broker, intake) : bad(problemText(RED, problems[0].code))
    })

    this.on('close', (done: () => void) => {
      status.close()
      warnings.close()
      detachIntake(this.id, broker)
      done()
    })
  }

  RED.nodes.registerType('agent-in', AgentInNode)
}
