import type { EventEmitter } from 'node:events'
import type { Client, Subscription } from 'aedes'
import { versionOf } from '../../mqtt/protocol-version.ts'
import { internalsOf } from '../aedes/aedes-internals.ts'
import type { SpokenSubscription } from '../mqtt5/speaker.ts'
import type { Connection } from '../publication.ts'
import type { ClientState } from './client-state.ts'
import type { ConnectHandler } from './connect.ts'
import type { Engine } from './engine.ts'
import { subackFailure } from './subscribe.ts'

/** Refusals by aedes itself, by its error text: the name under which each is counted, and a sentence. */
const refusalsByAedes: Record<string, { by: string, reason: string }> = {
  'connect did not arrive in time': { by: 'connectTimeout', reason: 'CONNECT did not arrive in time' }
}

/** Turn aedes' events into client events and counters, and keep the persistence and the taker informed. */
export function observe (engine: Engine, connect: ConnectHandler): void {
  const { aedes, connections, counters, persistence, taker } = engine

  on(engine, 'client', client => {
    const connection = connect.register(client)
    if (connection === undefined) return
    engine.report({ event: 'connected', ...identityOf(connection), clean: client.clean, version: versionOf(connections.stateOf(client)?.version ?? 4) })
  })

  on(engine, 'clientDisconnect', client => {
    const state = connections.stateOf(client)
    if (state?.connection === undefined) return
    state.connection.gone = true
    persistence.clientWent(client.id)
    engine.report({ event: 'disconnected', ...identityOf(state.connection), reason: reasonFor(client, state) })
    taker.gone(state.connection, comesBack(client, state), internalsOf(client)._disconnected ? 0 : (state.speaker?.willDelay ?? 0) * 1000)
  })

  const failed = (client: Client, error: Error): void => {
    const state = connections.stateOf(client)
    if (state?.connection !== undefined) {
      state.reason ??= error.message
      return
    }
    const { by, reason } = refusalsByAedes[error.message] ?? { by: 'protocol', reason: error.message }
    engine.refused(state?.refusal ?? by, state?.reason ?? reason, { clientId: client.id, username: state?.username, address: state?.arrival.address })
  }
  on(engine, 'clientError', failed)
  on(engine, 'connectionError', failed)

  on(engine, 'subscribe', (client, subscriptions: Subscription[]) => {
    const state = connections.stateOf(client)
    const granted = subscriptions.flatMap(({ topic, qos }) => qos < subackFailure ? [topic] : [])
    for (const topic of granted) state?.filters?.add(topic)
    const spoken = subscriptions as Array<Subscription & Partial<SpokenSubscription>>
    const silent = new Set(spoken.flatMap(({ topic, silent }) => silent === true ? [topic] : []))
    // One id is for all filters of a packet.
    const ids = state?.delivery?.grants.useIds === true ? [spoken[0]?.options?.id ?? []].flat() : undefined
    // aedes looks for the retained messages right after this.
    persistence.nextSubscribe = silent.size > 0 || ids !== undefined ? { silent, ids } : undefined
    state?.bytes.charge(persistence.countRetained(granted.filter(topic => !silent.has(topic))))
    if (state !== undefined && state.guard.subscribing > 0) {
      state.guard.subscribing--
      state.goOn()
    }
    engine.report({ event: 'subscribed', clientId: client.id, subscriptions: subscriptions.map(({ topic, qos }) => ({ topic, qos })) })
  })

  on(engine, 'unsubscribe', (client, topics: string[]) => {
    if (client.closed) return
    const state = connections.stateOf(client)
    state?.filters?.left(client, topics)
    for (const topic of topics) state?.delivery?.grants.setOptions(topic, undefined)
    engine.report({ event: 'unsubscribed', clientId: client.id, topics })
  })

  // Missing from aedes' types: the persistence failed. It concerns one packet; the broker goes on.
  ;(aedes as EventEmitter).on('error', () => { counters.dropped('persistence') })
}

/** Handle an event of aedes, which names the client before or after what the event is about. A fault in `handle` ends that client's connection. */
function on<About> ({ aedes, counters }: Engine, event: string, handle: (client: Client, about: About) => void): void {
  (aedes as EventEmitter).on(event, (...given: [Client, About] | [About, Client | null]) => {
    const [client, about] = (event.endsWith('subscribe') ? [...given].reverse() : given) as [Client | null, About]
    if (client === null) return
    try {
      handle(client, about)
    } catch (error) {
      counters.dropped('event')
      // aedes does not expect to lose the client here.
      setImmediate(() => { if (!client.closed) client.emit('error', error as Error) })
    }
  })
}

/** A client as its events name it. */
export function identityOf ({ clientId, username, address }: Connection): { clientId: string, username?: string, address?: string } {
  return { clientId, ...username === undefined ? {} : { username }, ...address === undefined ? {} : { address } }
}

function reasonFor (client: Client, state: ClientState): string {
  // aedes has no other sign of a clean DISCONNECT. [MQTT-3.14.4-3]
  return internalsOf(client)._disconnected ? 'the client disconnected' : state.reason ?? state.broke?.message ?? 'the connection was lost'
}

/** Whether a client will send again what was not acknowledged: one that ended its stream may be done, and one without a session need not. [MQTT-4.4.0-1] */
function comesBack (client: Client, { stream, broke }: ClientState): boolean {
  if (internalsOf(client)._disconnected) return false
  return !stream.readableEnded || (broke !== undefined && !client.clean)
}
