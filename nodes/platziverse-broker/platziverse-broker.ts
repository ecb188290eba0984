import type { Node, NodeDef, NodeStatus } from 'node-red'
import type { ClientEvent, TlsMaterial } from '../../lib/broker/broker.ts'
import { readOrigins } from '../../lib/broker/listening/web-origin.ts'
import { LoginQuestions } from '../../lib/broker/login/login-questions.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachBroker, detachBroker, findBroker, type RegisteredBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, type RED, type RedMessage } from '../shared/red.ts'
import { bad, good, pending, statusLine } from '../shared/status.ts'
import { tlsSettingsOf, type TlsSettings } from '../shared/tls.ts'
import { registerAdmin } from './admin.ts'
import { brokerDefaults as defaults, type BrokerConfig, type BrokerCredentials } from './config.ts'
import { obey } from './control.ts'
import { clientEvents, listenerErrors } from './events.ts'
import { serveMetrics } from './metrics.ts'
import { upgrade } from './migrations.ts'
import { brokerOptionsOf } from './options.ts'
import { servePaths } from './paths.ts'

type SavedConfig = NodeDef & BrokerConfig
type BrokerNode = Node<BrokerCredentials>

/** An MQTT broker. Input: commands. Output 1: what happens to clients, and logins to decide on; output 2: statistics and answers. */
export default function (RED: RED): void {
  watchFlows(RED)
  registerAdmin(RED)
  const metrics = serveMetrics(RED)

  function BrokerNode (this: BrokerNode, saved: SavedConfig): void {
    RED.nodes.createNode(this, saved)
    const config = upgrade(saved)
    const broker = findBroker(this.id)
    const report = (error: Error): void => { this.error(error.message) }

    /** Why nobody can log in. */
    let shut: PlatziverseError | undefined
    const status = statusLine(this)
    const show = (): void => {
      const now = shut === undefined ? statusOf(RED, broker) : bad(shut.code)
      if (now !== undefined) status.show(now)
    }
    const reportListeners = listenerErrors(message => { this.error(message) })
    const onListener = (): void => {
      show()
      reportListeners(broker.listenerStates)
    }
    const clients = clientEvents(RED, this)
    const onClient = (event: ClientEvent): void => {
      if (clients.report(event)) show()
    }

    const questions = new LoginQuestions(question => { this.send([{ topic: 'client/login', payload: question }, null]) })
    const tls = tlsMaterialOf(tlsSettingsOf(RED, config.tls))
    const options = brokerOptionsOf(config, this.credentials ?? {}, { id: this.id, userDir: RED.settings.userDir, tls, decide: login => questions.decide(login) }, error => {
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
    const timer = every > 0 ? setInterval(() => { this.send([null, { topic: 'statistics', payload: broker.statistics() }]) }, every) : undefined

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

  RED.nodes.registerType<BrokerNode, SavedConfig, unknown, BrokerCredentials>('platziverse-broker', BrokerNode, { credentials: { users: { type: 'text' } } })
}

/** undefined: it stays as it is. */
function statusOf (RED: RED, broker: RegisteredBroker): NodeStatus | undefined {
  const failed = broker.listenerStates.find(({ state }) => state === 'failed')
  if (failed?.state === 'failed') return bad(failed.error.code)
  const ports = broker.listenerStates.flatMap(listener => listener.state === 'listening' ? listener.port : [])
  if (ports.length > 0) {
    const { clients } = broker.statistics()
    return good(RED._('platziverse-broker.status.listening', { port: ports.join(', '), count: clients, clients }))
  }
  return broker.listener.state === 'starting' ? pending(RED._('platziverse-broker.status.starting')) : undefined
}

function tlsMaterialOf ({ cert, key, pfx, ca, passphrase }: TlsSettings = {}): TlsMaterial | undefined {
  const others = { ...ca === undefined ? {} : { ca }, ...passphrase ? { passphrase } : {} }
  if (pfx !== undefined) return { pfx, ...others }
  return cert === undefined || key === undefined ? undefined : { cert, key, ...others }
}
