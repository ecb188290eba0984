import type { NodeDef } from 'node-red'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { attachBroker, detachBroker, findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { serveMetrics } from '../shared/metrics.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { milliseconds, type RED, type RedMessage } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { bad, pending, problemText, statusLine } from '../shared/status.ts'
import { checkVariables } from '../shared/variables.ts'
import { registerAdmin } from './admin.ts'
import { brokerDefaults as defaults, type BrokerConfig, type BrokerCredentials } from './config.ts'
import { elsewhere } from './elsewhere.ts'
import { embedded } from './embedded.ts'
import type { BrokerNode, Engine } from './engine.ts'
import { upgrade } from './migrations.ts'
import { statusOf } from './status.ts'

type SavedConfig = NodeDef & BrokerConfig

/** The properties in which a variable that has no value would be something else. */
const variablesOf = {
  embedded: ['host', 'port'],
  elsewhere: ['url', 'group', 'shards', 'clientId', 'keepalive', 'sessionHours', 'receiveMaximum']
} as const

/** An MQTT broker. Input: commands. Output 1: what happens to clients, and logins to decide on; output 2: statistics and answers. */
export default function (RED: RED): void {
  watchFlows(RED)
  registerAdmin(RED)
  const metrics = serveMetrics(RED)

  function BrokerNode (this: BrokerNode, saved: SavedConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = orRefuse(RED, this, () => readSaved(upgrade, saved))
    if (config === undefined) return
    const broker = findBroker(this.id)

    let engine: Engine
    const status = statusLine(this)
    const show = (): void => { status.show(() => engine.shut === undefined ? statusOf(RED, broker) : bad(problemText(RED, engine.shut.code))) }
    try {
      checkVariables(config, variablesOf[config.mode === 'elsewhere' ? 'elsewhere' : 'embedded'])
      engine = config.mode === 'elsewhere' ? elsewhere(RED, this, config) : embedded(RED, this, config, metrics, show)
    } catch (error) {
      status.show(bad(error instanceof PlatziverseError ? problemText(RED, error.code) : reasonOf(error)))
      this.error(error)
      this.on('input', (_msg, _send, done) => { done(error as Error) })
      return
    }
    const onListener = (): void => {
      show()
      engine.listened(broker.listenerStates)
    }
    broker.on('listener', onListener)
    status.show(pending(RED._('platziverse-broker.status.starting')))
    attachBroker(this.id, engine.options).then(onListener, (error: unknown) => { this.error(error) })

    const every = milliseconds(config.statistics, defaults.statistics)
    const sendStatistics = (): void => { this.send([null, { topic: 'statistics', payload: broker.statistics() }]) }
    const timer = every > 0 ? setInterval(sendStatistics, every) : undefined

    this.on('input', (msg: RedMessage, send, done) => {
      engine.obey(msg.topic, msg.payload).then(payload => {
        if (payload !== undefined) send([null, { ...msg, payload }])
        done()
      }, done)
    })

    this.on('close', (done: () => void) => {
      clearInterval(timer)
      broker.off('listener', onListener)
      engine.close()
      status.close()
      detachBroker(this.id)
      done()
    })
  }

  RED.nodes.registerType<BrokerNode, SavedConfig, unknown, BrokerCredentials>('platziverse-broker', BrokerNode, {
    credentials: { users: { type: 'text' }, user: { type: 'text' }, password: { type: 'password' } }
  })
}
