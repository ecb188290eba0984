import type { Node, NodeDef } from 'node-red'
import type { Bridge, BridgeState, BridgeTls, BridgeTopic } from '../../lib/bridge/bridge.ts'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { attachBridge, detachBridge, type BridgeNodeOptions } from '../../lib/registry/bridges.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin } from '../shared/login.ts'
import { milliseconds, wholeNumber, type RED, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { bridgeDefaults, type BridgeConfig } from './config.ts'

type SavedConfig = BridgeConfig & NodeDef
type Credentials = { user?: string, password?: string }
/** Node-RED core's tls-config. */
type TlsNode = RedNode & { addTLSOptions? (options: object): BridgeTls }

const statusEvery = 1_000

/** Carries messages between a broker and another one. Out: its states and its statistics. */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-bridge', function (this, config) {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)

    let bridge: Bridge
    try {
      if (!config.broker) throw new PlatziverseError('BROKER_MISSING', 'No broker is chosen.')
      checkLogin(config, this.credentials)
      const tls = config.tls ? (RED.nodes.getNode(config.tls) as TlsNode | null)?.addTLSOptions?.({}) : undefined
      bridge = attachBridge(this.id, optionsOf(config, this.credentials ?? {}, tls))
    } catch (error) {
      this.status({ fill: 'red', shape: 'ring', text: error instanceof PlatziverseError ? error.code : reasonOf(error) })
      this.error(reasonOf(error))
      return
    }

    // Known only once the flows have started: the broker may be made after this node.
    let isMissing = false
    const show = (): void => {
      const { sent, received, buffered, dropped } = bridge.statistics()
      const { state } = bridge
      const error = errorOf(state) ?? (isMissing ? 'BROKER_MISSING' : undefined)
      const parts = [
        error ?? (state.state === 'connected' ? RED._('platziverse-bridge.status.connected', { sent, received }) : RED._('platziverse-bridge.status.connecting')),
        state.state !== 'connected' && buffered > 0 && RED._('platziverse-bridge.status.waiting', { count: buffered }),
        dropped > 0 && RED._('platziverse-bridge.status.dropped', { count: dropped })
      ]
      const fill = error !== undefined ? 'red' : state.state === 'connected' ? 'green' : 'yellow'
      status.show({ fill, shape: fill === 'green' ? 'dot' : 'ring', text: parts.filter(Boolean).join(' · ') })
    }
    let last = ''
    const onState = (state: BridgeState): void => {
      const now = `${state.state} ${errorOf(state)}`
      // Each further attempt fails alike.
      if (now === last) return
      last = now
      show()
      this.send({ topic: 'state', payload: plain(state) })
    }
    const onProblem = (problem: PlatziverseError): void => { this.warn(problem.message) }
    bridge.on('state', onState)
    bridge.on('problem', onProblem)
    show()

    const every = milliseconds(config.statistics, bridgeDefaults.statistics)
    const counting = setInterval(() => {
      isMissing = findBroker(config.broker).listener.state === 'closed'
      show()
    }, statusEvery)
    const reporting = every > 0 ? setInterval(() => { this.send({ topic: 'statistics', payload: bridge.statistics() }) }, every) : undefined
    this.on('close', (done: () => void) => {
      clearInterval(counting)
      clearInterval(reporting)
      bridge.off('state', onState)
      bridge.off('problem', onProblem)
      status.close()
      detachBridge(this.id).then(done, done)
    })
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

function optionsOf (config: SavedConfig, { user, password }: Credentials, tls?: BridgeTls): BridgeNodeOptions {
  const { id, broker, url, localUser, clientId, clean, bridgeBit, keepalive, buffer, megabytes } = config
  return {
    id,
    broker,
    ...localUser ? { localUser } : {},
    url: (url ?? '').trim(),
    ...user ? { username: user } : {},
    ...password ? { password } : {},
    ...tls === undefined ? {} : { tls },
    ...clientId ? { clientId } : {},
    clean: clean === true,
    bridgeBit: bridgeBit !== false,
    keepalive: wholeNumber(keepalive, Number(bridgeDefaults.keepalive)),
    buffer: { messages: wholeNumber(buffer, Number(bridgeDefaults.buffer)), bytes: wholeNumber(megabytes, Number(bridgeDefaults.megabytes)) * 1e6 },
    topics: (config.topics ?? bridgeDefaults.topics).map(({ direction, filter, qos, localPrefix = '', remotePrefix = '' }) => {
      return { direction, filter, qos: Number(qos) as BridgeTopic['qos'], localPrefix, remotePrefix }
    })
  }
}

function errorOf (state: BridgeState): string | undefined {
  return state.state === 'connected' ? undefined : state.error?.code
}

/** As it can go along a wire. */
function plain (state: BridgeState): object {
  const error = state.state === 'connected' ? undefined : state.error
  return { state: state.state, ...error === undefined ? {} : { error: { code: error.code, message: error.message } } }
}
