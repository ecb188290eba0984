import { isDeepStrictEqual } from 'node:util'
import { reasonCodes } from '../../mqtt/reason-codes.ts'
import { longestTimer } from '../../time.ts'
import { Rules, type Rights } from '../access/rules.ts'
import type { RoutingAedes } from '../aedes/routing-aedes.ts'
import type { EmbeddedBrokerOptions } from '../broker-options.ts'
import type { ClientEvent } from '../broker.ts'
import { LoginGate } from '../login/login-gate.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import type { Taker } from '../publication.ts'
import { Counters } from '../watching/counters.ts'
import type { ClientState } from './client-state.ts'
import { Connections } from './connections.ts'

/** As much of a client as is known when it is refused. */
export interface RefusedClient {
  clientId?: string | null
  username?: string | undefined
  address?: string | undefined
}

/**
 * What the parts of an embedded broker (connect, publish, subscribe, client events, local client) share. They read it; only `configure`
 * replaces anything.
 */
export class Engine {
  readonly taker: Taker
  readonly persistence: BrokerPersistence
  readonly aedes: RoutingAedes
  readonly counters = new Counters()
  readonly gate: LoginGate
  readonly connections: Connections
  #options: EmbeddedBrokerOptions
  #rules: Rules
  #emit: (event: ClientEvent) => void

  /** @param emit emits a client event on the broker */
  constructor (taker: Taker, options: EmbeddedBrokerOptions, persistence: BrokerPersistence, aedes: RoutingAedes, emit: (event: ClientEvent) => void) {
    this.taker = taker
    this.persistence = persistence
    this.aedes = aedes
    this.gate = new LoginGate(options, (owner, most) => persistence.hasRoomForSession(owner, most))
    this.#options = options
    this.connections = new Connections(aedes, this.counters, options.limits, {
      persistence,
      limits: () => this.#options.limits,
      mostUnsettled: () => taker.mostUnsettled,
      dropped: by => { this.counters.dropped(by) }
    })
    this.#rules = new Rules(options.rules)
    this.#emit = emit
    persistence.stateBytes.refused = () => { this.counters.refusedBy('stateBytes') }
    aedes.declined = reason => { this.counters.dropped(reason) }
  }

  /** As configured last. */
  get options (): EmbeddedBrokerOptions { return this.#options }

  /** As configured last. */
  get rules (): Rules { return this.#rules }

  /** Apply options to clients, those that are connected included; listeners and `$SYS` are not the engine's. */
  configure (options: EmbeddedBrokerOptions): void {
    const { gate, connections, persistence, aedes } = this
    const { limits } = options
    const before = this.#options
    this.#options = options
    connections.configure(limits)
    persistence.stateBytes.limit = limits.stateBytes
    persistence.limits = limits
    aedes.connectTimeout = limits.connectTimeout * 1000 || longestTimer
    aedes.topicLevels = limits.topicLevels || 100
    const whyNot = gate.configure(options)
    for (const state of connections.here) {
      // A client without rights has not been let in yet.
      const reason = state.rights === undefined ? undefined : whyNot(state)
      if (reason !== undefined) state.cutOff(reason, reasonCodes.notAuthorized)
    }
    persistence.owners.configure({ mostPerUser: limits.agentsPerUser, enforced: gate.hasLogins || options.listeners.some(({ certificates }) => certificates === 'username') })
    if (isDeepStrictEqual(before.rules, options.rules)) return
    this.#rules = new Rules(options.rules)
    for (const state of connections.here) if (state.connection !== undefined) state.rights = this.rightsOf(state)
  }

  /** What the rules allow a client. */
  rightsOf (state: ClientState, clientId = state.connection?.clientId ?? ''): Rights | undefined {
    return this.#rules.for({ username: state.verified ? state.username : undefined, clientId })
  }

  /** Emit a client event. A listener that throws must not stop what comes after the event. */
  report (event: ClientEvent): void {
    try {
      this.#emit(event)
    } catch {
      this.counters.dropped('event')
    }
  }

  /** Count and report a client that was refused. @param by the name under which that is counted */
  refused (by: string, reason: string, { clientId, username, address }: RefusedClient): void {
    this.counters.refused(by)
    this.report({
      event: 'refused',
      ...clientId ? { clientId } : {},
      ...username === undefined ? {} : { username },
      ...address === undefined ? {} : { address },
      reason
    })
  }
}
