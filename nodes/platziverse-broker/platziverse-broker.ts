import type { Node, NodeDef } from 'node-red'
import type { ClientEvent } from '../../lib/broker/broker.ts'
import { readOrigins } from '../../lib/broker/listening/web-origin.ts'
import { LoginQuestions } from '../../lib/broker/login/login-questions.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachBroker, detachBroker, findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { milliseconds, type RED, type RedMessage } from '../shared/red.ts'
import { bad, pending, problemText, statusLine } from '../shared/status.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { registerAdmin } from './admin.ts'
import { brokerDefaults as defaults, type BrokerConfig, type BrokerCredentials } from './config.ts'
import { obey } from './control.ts'
import { clientEvents, listenerErrors } from './events.ts'
import { serveMetrics } from './metrics.ts'
import { upgrade } from './migrations.ts'
import { brokerOptionsOf, type Surroundings } from './options.ts'
import { servePaths } from './paths.ts'
import { statusOf } from './status.ts'

type SavedConfig = NodeDef & BrokerConfig
type BrokerNode = Node<BrokerCredentials>

/** An MQTT broker. Input: commands. Output 1: what happens to clients, and logins to decide on; output 2: statistics and answers. */
export default function (RED: RED): void {
  watchFlows(RED)
  registerAdmin(RED)
  const metrics = serveMetrics(RED)

  function BrokerNode (this: BrokerNode, saved: SavedConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = upgrade(saved)
    const broker = findBroker(this.id)
    const report = (error: Error): void => { this.error(error) }

    /** Why nobody can log in. */
    let shut: PlatziverseError | undefined
    const status = statusLine(this)
    const show = (): void => {
      const now = shut === undefined ? statusOf(RED, broker) : bad(problemText(RED, shut.code))
      if (now !== undefined) status.show(now)
    }
    const reportListeners = listenerErrors(report)
    const onListener = (): void => {
      show()
      reportListeners(broker.listenerStates)
    }
    const clients = clientEvents(RED, this)
    const onClient = (event: ClientEvent): void => {
      if (clients.report(event)) show()
    }

    const questions = new LoginQuestions(question => { this.send([{ topic: 'client/login', payload: question }, null]) })
    const surroundings: Surroundings = {
      id: this.id,
      userDir: RED.settings.userDir,
      tls: tlsSettingsOf(RED, config.tls),
      decide: login => questions.decide(login)
    }
    const options = brokerOptionsOf(config, this.credentials ?? {}, surroundings, error => {
      if (error.code.startsWith('BROKER_USERS_')) shut = error
      report(error)
    })

    broker.on('listener', onListener)
    broker.on('client', onClient)
    status.show(pending(RED._('platziverse-broker.status.starting')))
    attachBroker(this.id, options).then(onListener, report)

    const paths = config.listeners.filter(({ transport }) => transport === 'path').map(({ path }) => path || '')
    const endPaths = servePaths(RED.server, RED.settings.httpNodeRoot || '/', paths, {
      origins: readOrigins(config.origins),
      accept: (stream, arrival) => { broker.accept(stream, arrival) },
      refused: (by, reason, address) => { broker.refused(by, reason, address) }
    }, report)
    const unmeasured = config.prometheus ? metrics.add(this.id, config.name || this.id, () => broker.snapshot()) : undefined
    const every = milliseconds(config.statistics, defaults.statistics)
    const sendStatistics = (): void => { this.send([null, { topic: 'statistics', payload: broker.statistics() }]) }
    const timer = every > 0 ? setInterval(sendStatistics, every) : undefined

    this.on('input', (msg: RedMessage, send, done) => {
      obey(broker, questions, msg.topic, msg.payload).then(payload => {
        if (payload !== undefined) send([null, { ...msg, payload }])
        done()
      }, done)
    })

    this.on('close', (done: () => void) => {
      questions.close()
      clearInterval(timer)
      clients.close()
      broker.off('listener', onListener)
      broker.off('client', onClient)
      endPaths()
      unmeasured?.()
      status.close()
      detachBroker(this.id)
      done()
    })
  }

  RED.nodes.registerType<BrokerNode, SavedConfig, unknown, BrokerCredentials>('platziverse-broker', BrokerNode, {
    credentials: { users: { type: 'text' } }
  })
}
