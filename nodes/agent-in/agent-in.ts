import type { NodeDef } from 'node-red'
import { attachIntake, detachIntake, findBroker } from '../../lib/broker/hub.ts'
import type { IntakeHandler } from '../../lib/broker/intake.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, wholeNumber, type RED, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { agentInDefaults as defaults, type AgentInConfig } from './config.ts'

const outputs = { connected: 0, disconnected: 1, message: 2, rejected: 3 } as const
const statusEvery = 1_000

/** Takes the three topics off a broker. Outputs: connected, disconnected, message, rejected. */
export default function (RED: RED): void {
  watchFlows(RED)

  function AgentInNode (this: RedNode, config: NodeDef & AgentInConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
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
      rejected: (payload, delivery) => { emit('rejected', { topic: payload.topic, payload, delivery }) },
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
      totalBytes: Math.max(1, wholeNumber(config.totalMemory, Number(defaults.totalMemory))) * 1_000_000
    })

    const show = (): void => {
      const { agents, unsettled, waiting } = intake.statistics()
      if (Date.now() < unsettledUntil) status.show({ fill: 'red', shape: 'dot', text: unsettledBy })
      else if (findBroker(brokerId).listener.state !== 'listening') status.show({ fill: 'yellow', shape: 'ring', text: RED._('agent-in.status.waiting') })
      else if (waiting > 0) status.show({ fill: 'yellow', shape: 'dot', text: RED._('agent-in.status.unsettled', { count: agents, agents, unsettled: unsettled + waiting }) })
      else status.show({ fill: 'green', shape: 'dot', text: RED._('agent-in.status.agents', { count: agents, agents }) })
    }
    show()
    const timer = setInterval(show, statusEvery)

    this.on('close', (removed: boolean, done: () => void) => {
      clearInterval(timer)
      status.close()
      detachIntake(this.id, brokerId, removed)
      done()
    })
  }

  RED.nodes.registerType('agent-in', AgentInNode)
}
