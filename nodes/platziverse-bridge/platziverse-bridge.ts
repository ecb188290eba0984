import type { Node, NodeDef, NodeStatus } from 'node-red'
import type { Bridge, BridgeState } from '../../lib/bridge/bridge.ts'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { attachBridge, detachBridge } from '../../lib/registry/bridges.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin } from '../shared/login.ts'
import { milliseconds, type RED } from '../shared/red.ts'
import { bad, good, joined, liveStatus, pending } from '../shared/status.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { bridgeDefaults as defaults, type BridgeConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { bridgeOptionsOf, type Credentials } from './options.ts'

type SavedConfig = BridgeConfig & NodeDef

/** ms until a broker counts as missing: its node may be made after this one. */
const brokerPatience = 1_000

/** Carries messages between a broker and another one. Out: its states and its statistics. */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-bridge', function (this, saved) {
    RED.nodes.createNode(this, saved)
    const config = upgrade(saved)

    let bridge: Bridge
    try {
      if (!config.broker) throw new PlatziverseError('BROKER_MISSING', 'No broker is chosen.')
      checkLogin(config, this.credentials)
      bridge = attachBridge(this.id, bridgeOptionsOf(saved.id, config, this.credentials ?? {}, tlsSettingsOf(RED, config.tls)))
    } catch (error) {
      this.status(bad(error instanceof PlatziverseError ? error.code : reasonOf(error)))
      this.error(reasonOf(error))
      return
    }

    const since = Date.now()
    const status = liveStatus(this, () => {
      const isMissing = Date.now() - since >= brokerPatience && findBroker(config.broker).listener.state === 'closed'
      return statusOf(RED, bridge, isMissing)
    })
    let last = ''
    const onState = (state: BridgeState): void => {
      const now = `${state.state} ${errorOf(state)}`
      // Each further attempt fails alike.
      if (now === last) return
      last = now
      status.show()
      this.send({ topic: 'state', payload: plain(state) })
    }
    const onProblem = (problem: PlatziverseError): void => { this.warn(problem.message) }
    bridge.on('state', onState)
    bridge.on('problem', onProblem)

    const every = milliseconds(config.statistics, defaults.statistics)
    const reporting = every > 0 ? setInterval(() => { this.send({ topic: 'statistics', payload: bridge.statistics() }) }, every) : undefined
    this.on('close', (done: () => void) => {
      clearInterval(reporting)
      bridge.off('state', onState)
      bridge.off('problem', onProblem)
      status.close()
      detachBridge(this.id).then(done, done)
    })
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

function statusOf (RED: RED, bridge: Bridge, isBrokerMissing: boolean): NodeStatus {
  const { sent, received, buffered, dropped } = bridge.statistics()
  const { state } = bridge
  const isConnected = state.state === 'connected'
  const asides = [
    !isConnected && buffered > 0 && RED._('platziverse-bridge.status.waiting', { count: buffered }),
    dropped > 0 && RED._('platziverse-bridge.status.dropped', { count: dropped })
  ]
  const error = errorOf(state) ?? (isBrokerMissing ? 'BROKER_MISSING' : undefined)
  if (error !== undefined) return bad(joined(error, ...asides))
  if (isConnected) return good(joined(RED._('platziverse-bridge.status.connected', { sent, received }), ...asides))
  return pending(joined(RED._('platziverse-bridge.status.connecting'), ...asides))
}

function errorOf (state: BridgeState): string | undefined {
  return state.state === 'connected' ? undefined : state.error?.code
}

/** As it can go along a wire. */
function plain (state: BridgeState): object {
  const error = state.state === 'connected' ? undefined : state.error
  return { state: state.state, ...error === undefined ? {} : { error: { code: error.code, message: error.message } } }
}
