import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import type { IntakeHandler } from '../../lib/intake/intake-handler.ts'
import { attachIntake, detachIntake, findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, wholeNumber, type RED, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { warningsOf } from '../shared/warnings.ts'
import { agentInDefaults as defaults, type AgentInConfig } from './config.ts'

const outputs = { connected: 0, disconnected: 1, message: 2, rejected: 3 } as const
/** The ids that each output leads to; not in Node-RED's types. */
type Wired = RedNode & { readonly wires: string[][] }

const statusEvery = 1_000
const aDay = 86_400_000

/** Takes the three topics off a broker. Outputs: connected, disconnected, message, rejected. */
export default function (RED: RED): void {
  watchFlows(RED)

  function AgentInNode (this: RedNode, config: NodeDef & AgentInConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
    const warnings = warningsOf(this)
    const brokerId = config.broker
    if (!brokerId) {
      this.error(new PlatziverseError('BROKER_MISSING', 'No broker is chosen.').message)
      status.show({ fill: 'red', shape: 'ring', text: 'BROKER_MISSING' })
      return
    }

    const emit = (output: keyof typeof outputs, message: object): void => {
      const messages: Array<object | null> = [null, null, null, null]
      messages[outputs[output]] = message
      try {
        this.send(messages as never)
      } catch (error) {
        // Node-RED may fail to clone a message; nobody above would catch that.
        this.error(error)
      }
    }
    let unsettledUntil = 0
    let unsettledBy = ''
    const handler: IntakeHandler = {
      message: ({ kind, topic, payload }, delivery) => { emit(kind, { _msgid: delivery.id, topic, payload, delivery }) },
      rejected: (payload, delivery) => {
        // With a wire the flow knows.
        if (((this as Wired).wires[outputs.rejected] ?? []).length === 0) warnings.warn('rejected', `Rejected, from client ${JSON.stringify(delivery.clientId)} on ${payload.topic}: ${payload.reason}: ${payload.detail}`)
        emit('rejected', { topic: payload.topic, payload, delivery })
      },
      noticed: (kind, detail, clientId) => { warnings.warn(`${kind} ${clientId}`, `Client ${JSON.stringify(clientId)}: ${detail}`) },
      unsettled: (error, _count, { topic, payload }, delivery) => {
        unsettledUntil = Date.now() + 10_000
        unsettledBy = error.code
        this.error(error.message, { topic, payload, delivery } as never)
      }
    }
    const intake = attachIntake(this.id, brokerId, handler, {
      acknowledge: config.acknowledge === 'arrival' ? 'arrival' : 'stored',
      timeLimit: Math.max(1000, milliseconds(config.timeLimit, defaults.timeLimit)),
      clientWindow: Math.max(1, wholeNumber(config.clientWindow, Number(defaults.clientWindow))),
      totalWindow: Math.max(1, wholeNumber(config.totalWindow, Number(defaults.totalWindow))),
      clientBytes: Math.max(1, wholeNumber(config.clientMemory, Number(defaults.clientMemory))) * 1_000_000,
      totalBytes: Math.max(1, wholeNumber(config.totalMemory, Number(defaults.totalMemory))) * 1_000_000,
      rules: {
        past: wholeNumber(config.pastDays, Number(defaults.pastDays)) * aDay,
        future: wholeNumber(config.futureDays, Number(defaults.futureDays)) * aDay,
        outside: config.outside === 'receipt' ? 'receipt' : 'reject',
        numericText: config.numericText === true
      }
    })

    const show = (): void => {
      const { agents, unsettled, waiting, rejected, rejectedMetrics, timesConverted, timesReplaced } = intake.statistics()
      // Told as soon as there is any of it.
      const counted = { rejected: rejected + rejectedMetrics, converted: timesConverted, replaced: timesReplaced }
      const asides = (['rejected', 'converted', 'replaced'] as const).filter(name => counted[name] > 0).map(name => RED._(`agent-in.status.${name}`, { count: counted[name] }))
      const textOf = (text: string): string => [text, ...asides].join(' · ')
      if (Date.now() < unsettledUntil) status.show({ fill: 'red', shape: 'dot', text: unsettledBy })
      else if (findBroker(brokerId).listener.state !== 'listening') status.show({ fill: 'yellow', shape: 'ring', text: RED._('agent-in.status.waiting') })
      else if (waiting > 0) status.show({ fill: 'yellow', shape: 'dot', text: textOf(RED._('agent-in.status.unsettled', { count: agents, agents, unsettled: unsettled + waiting })) })
      else status.show({ fill: 'green', shape: 'dot', text: textOf(RED._('agent-in.status.agents', { count: agents, agents })) })
    }
    show()
    const timer = setInterval(show, statusEvery)

    this.on('close', (done: () => void) => {
      clearInterval(timer)
      status.close()
      warnings.close()
      detachIntake(this.id, brokerId)
      done()
    })
  }

  RED.nodes.registerType('agent-in', AgentInNode)
}
