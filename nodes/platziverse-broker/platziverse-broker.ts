import type { NodeDef } from 'node-red'
import { attachBroker, detachBroker, findBroker } from '../../lib/broker/hub.ts'
import type { ClientEvent, ListenerState } from '../../lib/broker/broker.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, type RED, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { brokerDefaults, type BrokerConfig } from './config.ts'

/** An MQTT broker. Output 1: what happens to clients; output 2: statistics. */
export default function (RED: RED): void {
  watchFlows(RED)

  function BrokerNode (this: RedNode, config: NodeDef & BrokerConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
    const broker = findBroker(this.id)
    // Not wholeNumber: a port that is none is an error, not the default.
    const port = config.port === '' || config.port === undefined ? Number(brokerDefaults.port) : Number(config.port)
    const every = milliseconds(config.statistics, brokerDefaults.statistics)

    const show = (state: ListenerState): void => {
      if (state.state === 'failed') status.show({ fill: 'red', shape: 'ring', text: state.error.code })
      else if (state.state === 'listening') status.show({ fill: 'green', shape: 'dot', text: RED._('platziverse-broker.status.listening', { port: state.port, count: broker.statistics().clients, clients: broker.statistics().clients }) })
      else if (state.state === 'starting') status.show({ fill: 'yellow', shape: 'ring', text: RED._('platziverse-broker.status.starting') })
    }
    let reported = ''
    const onListener = (state: ListenerState): void => {
      show(state)
      // One error for a port that stays taken, however often it is tried.
      const message = state.state === 'failed' ? state.error.message : ''
      if (message !== '' && message !== reported) this.error(message)
      reported = state.state === 'starting' ? reported : message
    }
    const onClient = (event: ClientEvent): void => {
      show(broker.listener)
      this.send([{ topic: `client/${event.event}`, payload: event }, null])
    }

    broker.on('listener', onListener)
    broker.on('client', onClient)
    status.show({ fill: 'yellow', shape: 'ring', text: RED._('platziverse-broker.status.starting') })
    attachBroker(this.id, { host: (config.host ?? '').trim(), port, anonymous: config.anonymous === true })
      .then(() => { onListener(broker.listener) }, (error: Error) => { this.error(error.message) })
    const timer = every > 0 ? setInterval(() => { this.send([null, { topic: 'statistics', payload: broker.statistics() }]) }, every) : undefined

    this.on('close', (removed: boolean, done: () => void) => {
      clearInterval(timer)
      broker.off('listener', onListener)
      broker.off('client', onClient)
      status.close()
      detachBroker(this.id, removed).then(done, done)
    })
  }

  RED.nodes.registerType('platziverse-broker', BrokerNode)
}
