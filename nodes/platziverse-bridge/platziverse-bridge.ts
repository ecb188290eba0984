import type { Node, NodeDef } from 'node-red'
import type { BridgeState } from '../../lib/bridge/bridge.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { attachBridge, detachBridge } from '../../lib/registry/bridges.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin, type Credentials } from '../shared/login.ts'
import { tellingOf } from '../shared/language.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { milliseconds, type RED } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { liveStatus } from '../shared/status.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { checkVariables } from '../shared/variables.ts'
import { bridgeDefaults as defaults, type BridgeConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { bridgeOptionsOf } from './options.ts'
import { errorOf, statusOf } from './status.ts'

type SavedConfig = BridgeConfig & NodeDef

/** ms until a broker counts as missing: its node may be made after this one. */
const brokerPatience = 1_000
/** ms that the other broker may be away before that is worth a warning. */
const otherPatience = 3_000

/** Carries messages between a broker and another one. Out: its states and its statistics. */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-bridge', function (this, saved) {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const opened = orRefuse(RED, this, () => {
      const config = readSaved(upgrade, saved)
      checkVariables(config, ['url', 'localUser', 'clientId', 'keepalive', 'buffer', 'megabytes'])
      if (!config.broker) throw new PlatziverseError('BROKER_MISSING', 'No broker is chosen.')
      checkLogin(config, this.credentials)
      return { config, bridge: attachBridge(this.id, bridgeOptionsOf(saved.id, config, this.credentials ?? {}, tlsSettingsOf(RED, config.tls))) }
    })
    if (opened === undefined) return
    const { config, bridge } = opened

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
    let late: NodeJS.Timeout | undefined
    const onProblem = (problem: PlatziverseError): void => {
      const warn = (): void => { this.warn(tellingOf(RED, problem)) }
      if (problem.code !== 'BRIDGE_UNREACHABLE') return warn()
      // The other broker may start with this one, or be back at once.
      clearTimeout(late)
      late = setTimeout(() => { if (bridge.state.state !== 'connected') warn() }, otherPatience).unref()
    }
    bridge.on('state', onState)
    bridge.on('problem', onProblem)

    const every = milliseconds(config.statistics, defaults.statistics)
    const reporting = every > 0 ? setInterval(() => { this.send({ topic: 'statistics', payload: bridge.statistics() }) }, every) : undefined
    this.on('close', (done: () => void) => {
      clearInterval(reporting)
      clearTimeout(late)
      bridge.off('state', onState)
      bridge.off('problem', onProblem)
      status.close()
      detachBridge(this.id).then(done, done)
    })
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

/** As it can go along a wire. */
function plain (state: BridgeState): object {
  const error = state.state === 'connected' ? undefined : state.error
  return { state: state.state, ...error === undefined ? {} : { error: { code: error.code, message: error.message } } }
}
