import { posix } from 'node:path'
import type { Node, NodeDef } from 'node-red'
import type { ClientEvent, ListenerState, TlsMaterial } from '../../lib/broker/broker.ts'
import { readOrigins } from '../../lib/broker/listening/web-origin.ts'
import { Logins } from '../../lib/broker/login/login-questions.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { attachBroker, detachBroker, findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { registerAdmin } from './admin.ts'
import { brokerDefaults, type BrokerConfig, type BrokerCredentials } from './config.ts'
import { obey } from './control.ts'
import { serveMetrics } from './metrics.ts'
import { brokerOptionsOf } from './options.ts'
import { servePath } from './paths.ts'

/** Refusals a second that are told one by one; a flood of them is told by the statistics alone. */
const mostRefusals = 20

type SavedConfig = NodeDef & BrokerConfig
type BrokerNode = Node<BrokerCredentials>
/** Node-RED core's tls-config. */
type TlsNode = RedNode & { addTLSOptions? (options: object): { cert?: string | Buffer, key?: string | Buffer, pfx?: Buffer, ca?: string | Buffer, passphrase?: string } }

/**
 * An MQTT broker. Input: what it is told to do. Output 1: what happens to clients, and logins to decide on; output 2: statistics and answers.
 */
export default function (RED: RED): void {
  watchFlows(RED)
  registerAdmin(RED)
  const metrics = serveMetrics(RED)

  function BrokerNode (this: BrokerNode, config: SavedConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
    const broker = findBroker(this.id)
    const every = milliseconds(config.statistics, brokerDefaults.statistics)

    /** Why nobody can log in. */
    let shut: PlatziverseError | undefined
    const show = (): void => {
      const failed = broker.listenerStates.find(listener => listener.state === 'failed')
      const listening = broker.listenerStates.filter(listener => listener.state === 'listening')
      const { clients } = broker.statistics()
      if (shut !== undefined) status.show({ fill: 'red', shape: 'ring', text: shut.code })
      else if (failed !== undefined) status.show({ fill: 'red', shape: 'ring', text: failed.error.code })
      else if (listening.length > 0) status.show({ fill: 'green', shape: 'dot', text: RED._('platziverse-broker.status.listening', { port: listening.map(({ port }) => port).join(', '), count: clients, clients }) })
      else if (broker.listener.state === 'starting') status.show({ fill: 'yellow', shape: 'ring', text: RED._('platziverse-broker.status.starting') })
    }
    // One error for a port that stays taken, however often it is tried.
    const reported: string[] = []
    const onListener = (): void => {
      show()
      for (const [i, state] of broker.listenerStates.entries()) reported[i] = tell(state, reported[i] ?? '')
    }
    const tell = (state: ListenerState, before: string): string => {
      const message = state.state === 'failed' ? state.error.message : ''
      if (message !== '' && message !== before) this.error(message)
      return state.state === 'starting' ? before : message
    }
    let refusals = 0
    const onClient = (event: ClientEvent): void => {
      if (event.event === 'refused' && ++refusals > mostRefusals) return
      show()
      this.send([{ topic: `client/${event.event}`, payload: event }, null])
      // Quoted: a stranger chooses it, and is not to write lines of the log.
      const log = `${event.event} ${event.clientId === undefined ? 'a client' : JSON.stringify(event.clientId)}${'address' in event && event.address !== undefined ? ` from ${event.address}` : ''}${'reason' in event ? `: ${event.reason}` : ''}`
      if (event.event === 'refused') this.log(log)
      else this.debug(log)
    }
    const perSecond = setInterval(() => {
      if (refusals > mostRefusals) this.warn(RED._('platziverse-broker.status.refusals', { count: refusals }))
      refusals = 0
    }, 1000)

    const logins = new Logins(question => { this.send([{ topic: 'client/login', payload: question }, null]) })
    const tlsNode = config.tls ? RED.nodes.getNode(config.tls) as TlsNode | null : null
    const options = brokerOptionsOf(config, this.credentials ?? {}, { id: this.id, userDir: RED.settings.userDir, tls: tlsMaterialOf(tlsNode), decide: login => logins.decide(login) }, error => {
      if (error.code.startsWith('BROKER_USERS_')) shut = error
      this.error(error.message)
    })

    broker.on('listener', onListener)
    broker.on('client', onClient)
    status.show({ fill: 'yellow', shape: 'ring', text: RED._('platziverse-broker.status.starting') })
    attachBroker(this.id, options).then(onListener, (error: Error) => { this.error(error.message) })

    const paths = (config.listeners ?? []).filter(({ transport }) => transport === 'path').map(({ path }) => {
      const full = posix.join('/', RED.settings.httpNodeRoot || '/', path || '')
      const end = path.startsWith('/') ? servePath(RED.server, full, {
        origins: readOrigins(config.origins),
        accept: (stream, arrival) => { broker.accept(stream, arrival) },
        refused: (by, reason, address) => { broker.refused(by, reason, address) }
      }) : undefined
      if (end === undefined) this.error(new PlatziverseError('BROKER_PATH_INVALID', `MQTT cannot be served at ${full}.`).message)
      return end
    })
    const unmeasured = config.prometheus ? metrics.add(this.id, config.name || this.id, () => broker.snapshot()) : undefined
    const timer = every > 0 ? setInterval(() => { this.send([null, { topic: 'statistics', payload: broker.statistics() }]) }, every) : undefined

    this.on('input', (msg: RedMessage, send, done) => {
      obey(broker, logins, msg.topic, msg.payload).then(payload => {
        if (payload !== undefined) send([null, { ...msg, payload }])
        done()
      }, done)
    })

    this.on('close', (done: () => void) => {
      logins.close()
      clearInterval(timer)
      clearInterval(perSecond)
      broker.off('listener', onListener)
      broker.off('client', onClient)
      for (const end of paths) end?.()
      unmeasured?.()
      status.close()
      detachBroker(this.id)
      done()
    })
  }

  RED.nodes.registerType<BrokerNode, SavedConfig, unknown, BrokerCredentials>('platziverse-broker', BrokerNode, { credentials: { users: { type: 'text' } } })
}

function tlsMaterialOf (node: TlsNode | null): TlsMaterial | undefined {
  const { cert, key, pfx, ca, passphrase } = node?.addTLSOptions?.({}) ?? {}
  const others = { ...ca === undefined ? {} : { ca }, ...passphrase ? { passphrase } : {} }
  if (pfx !== undefined) return { pfx, ...others }
  return cert === undefined || key === undefined ? undefined : { cert, key, ...others }
}
