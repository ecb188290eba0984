import type { Socket } from 'node:net'
import type { Client, ConnectPacket } from 'aedes'
import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'
import { internalsOf, type ClientInternals } from '../aedes/aedes-internals.ts'
import { skipUsedMessageIds } from '../aedes/message-ids.ts'
import { subscriptionsOf } from '../aedes/routing-aedes.ts'
import { carriedBy } from '../carried.ts'
import type { Limits } from '../limits.ts'
import { ConnectionLimits } from '../listening/connection-limits.ts'
import type { LoginRefusal } from '../login/login-gate.ts'
import type { SessionOwner } from '../persistence/session.ts'
import type { Will } from '../persistence/wills.ts'
import type { Connection } from '../publication.ts'
import { StateShare, textBytes } from '../state-bytes.ts'
import type { ClientState } from './client-state.ts'
import type { Engine } from './engine.ts'
import { keepWhileUnread } from './keepalive.ts'
import { prepareDelivery } from './subscribe.ts'

/** A client on its way in. */
interface Newcomer {
  engine: Engine
  client: Client & ClientInternals
  state: ClientState
  /** Who owns its session: a user who proved the name, or null for an anonymous client. */
  owner: SessionOwner
}

/** Why a step ends the connection: the name under which that is counted, and a sentence. */
type StepRefusal = Pick<LoginRefusal, 'by' | 'text'>

/** Why a client is refused, in CONNACK of MQTT 5: by the name under which it is counted, or else by the code of MQTT 3.1.1. */
function codeOf ({ by, returnCode }: LoginRefusal): ReasonCode {
  return codesByName[by] ?? codesByReturnCode[returnCode]
}

const codesByName: Record<string, ReasonCode> = {
  banned: reasonCodes.banned,
  sessions: reasonCodes.quotaExceeded,
  stateBytes: reasonCodes.quotaExceeded,
  undecidedLogins: reasonCodes.serverBusy,
  clientIdTaken: reasonCodes.notAuthorized
}

const codesByReturnCode: Record<LoginRefusal['returnCode'], ReasonCode> = {
  2: reasonCodes.clientIdNotValid,
  3: reasonCodes.serverUnavailable,
  4: reasonCodes.badUserNameOrPassword,
  5: reasonCodes.notAuthorized
}

/** aedes' callback: lets the client in, or answers it with a return code. */
type Authenticated = (error: Error & { returnCode: number } | null, success: boolean | null) => void

/** One step of connecting. After a refusal no further step runs. */
type Step<R> = (newcomer: Newcomer) => R | undefined

/** Connecting, in order. aedes runs steps of its own (its handlers/connect.js) and calls `ConnectHandler` in between. */
const steps = {
  // `admit`: a socket arrived and nothing was read. Limits of connections in all, per address and per second.
  // `announce`: CONNECT was read.
  // `authenticate`: LoginGate decides on ban, keepalive, certificate, login, and room for a session. Synchronously with its decision, so that
  // no other client gets in between:
  letIn: [
    refuseOtherUser,
    claimSession,
    beginAnew,
    reserveMemory,
    takeOver,
    allowLargerMessages,
    grantRights,
    forgetFormerWill,
    checkWill,
    prepareQueue
  ],
  // aedes sets the keepalive timer, restores the session's subscriptions, and stores the will. It registers the client once the former
  // connection with the client id, if there is one, has ended:
  register: [
    confirmSubscriptions,
    confirmSession,
    begin
  ]
  // aedes sends CONNACK and then the session's queue, without waiting for the end of a former connection.
} satisfies { letIn: Array<Step<LoginRefusal>>, register: Array<Step<StepRefusal>> }

function firstRefusal<R> (steps: Array<Step<R>>, newcomer: Newcomer): R | undefined {
  for (const step of steps) {
    const refusal = step(newcomer)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** MQTT lets anybody take over a client id and its session. Here only its user may: otherwise one user could shut another out and get its messages. */
function refuseOtherUser ({ engine, client, owner }: Newcomer): LoginRefusal | undefined {
  const former = formerOf(engine, client)
  if (former?.verified !== true || former.username === owner) return undefined
  return { by: 'clientIdTaken', returnCode: 2, text: 'another user is connected with the client id' }
}

const sessionTaken = { by: 'clientIdTaken', returnCode: 2, text: 'another user has a session with the client id' } as const

function claimSession ({ engine: { persistence }, client, owner }: Newcomer): LoginRefusal | undefined {
  return persistence.claimSession(client.id, owner) ? undefined : sessionTaken
}

/**
 * A session ends before aedes looks for it, and before it closes the former connection, if the client asks for that (MQTT 5 may want one that is kept,
 * too) or if it was to end with that connection.
 */
function beginAnew ({ engine: { aedes, persistence, connections }, client, state: { speaker } }: Newcomer): undefined {
  const former = aedes.client(client.id)
  const formerState = former && connections.stateOf(former)
  // aedes knows how MQTT 3.1.1 takes over from MQTT 3.1.1.
  if (speaker === undefined && formerState !== undefined && formerState.speaker === undefined) return
  const isAnew = (speaker?.wishes?.cleanStart ?? client.clean) || formerState?.speaker?.wishes?.sessionExpiry === 0
  if (formerState !== undefined) formerState.isResumed = !isAnew
  if (speaker !== undefined) speaker.sessionPresent = !isAnew && persistence.hasSession(client.id)
  if (!isAnew) return
  if (former !== undefined) {
    formerState?.endsFor(takenOver, reasonCodes.sessionTakenOver)
    former.close()
  }
  persistence.discardSession(client.id)
}

/** Count what CONNECT has the broker remember, if there is room for it and the client is still here. */
function reserveMemory ({ engine: { persistence, connections }, client, state }: Newcomer): LoginRefusal | undefined {
  const will: Will | undefined = client._will
  const kept = new StateShare(persistence.stateBytes)
  const bytes = textBytes(client.id) + textBytes(state.username) + (will === undefined ? 0 : bytesOfWill(will))
  if (!kept.hasRoomFor(bytes)) return { by: 'stateBytes', returnCode: 3, text: 'all clients together have the broker remember too much' }
  if (!connections.here.has(state)) return undefined
  kept.add(bytes)
  state.kept = kept
  return undefined
}

function bytesOfWill ({ topic, payload }: Will): number {
  return textBytes(topic) + payload.length + (carriedBy(payload)?.properties.length ?? 0)
}

const takenOver = 'another connection took over the client id'

/** aedes will end the connection that has had the client id until now. */
function takeOver ({ engine, client }: Newcomer): undefined {
  formerOf(engine, client)?.endsFor(takenOver, reasonCodes.sessionTakenOver)
}

function allowLargerMessages ({ engine: { options }, state }: Newcomer): undefined {
  state.arrival.messages?.limitPackets(options.limits.packetBytes, true)
}

function grantRights ({ engine, client, state, owner }: Newcomer): undefined {
  state.verified = owner !== null
  state.rights = engine.rightsOf(state, client.id)
}

function forgetFormerWill ({ engine: { persistence }, client, owner }: Newcomer): undefined {
  persistence.cameBack(client.id, owner)
}

/** A will that the rules forbid is not even stored. Any other is stored with its owner, so that it can be checked again after a restart. */
function checkWill ({ engine: { counters }, client, state: { rights }, owner }: Newcomer): undefined {
  const will: Will | undefined = client._will
  if (will === undefined) return
  will.owner = owner
  if (rights?.mayPublish(will.topic) !== false) return
  client._will = undefined
  counters.dropped('rules')
}

/** A session may have a queue, which is sent before any SUBSCRIBE. */
function prepareQueue ({ engine, client, state }: Newcomer): undefined {
  if (client.clean) return
  prepareDelivery(engine, client, state)
  skipUsedMessageIds(client, from => engine.persistence.unusedMessageId(client.id, from))
}

/** The session may have been ended after aedes read its subscriptions. */
function confirmSubscriptions ({ engine: { persistence }, client }: Newcomer): StepRefusal | undefined {
  if (client.clean || persistence.hasSubscriptions(client.id, Object.keys(subscriptionsOf(client)))) return undefined
  return { by: 'sessionEnded', text: 'its session was ended while it connected' }
}

/** Another user may have got a session with the client id since `claimSession`. */
function confirmSession ({ engine: { persistence }, client, state, owner }: Newcomer): StepRefusal | undefined {
  return persistence.clientCame(client.id, client.clean, owner, state.speaker?.wishes?.sessionExpiry) ? undefined : sessionTaken
}

function begin ({ engine, client, state }: Newcomer): undefined {
  const { username, verified, arrival: { address } } = state
  const connection: Connection = { number: engine.counters.connected(engine.aedes.connectedClients), clientId: client.id, username, verified, address, gone: false }
  state.connection = connection
  // The rules may have changed since the client was let in.
  state.rights = engine.rightsOf(state)
  state.connectedAt = Date.now()
  state.clean = client.clean
  keepWhileUnread(client, state)
}

/** The connection that has had the client id until now. */
function formerOf ({ aedes, connections }: Engine, { id }: Client): ClientState | undefined {
  const former = aedes.client(id)
  return former === undefined ? undefined : connections.stateOf(former)
}

/** Lets clients in, step by step. */
export class ConnectHandler {
  /** Whether there ever was a session that outlives its connection: it may have subscriptions while its client is away. */
  hasHadSessions: boolean
  #engine: Engine
  #limits: ConnectionLimits

  constructor (engine: Engine) {
    this.#engine = engine
    this.#limits = new ConnectionLimits(engine.options.limits)
    this.hasHadSessions = engine.persistence.counters.sessions > 0
  }

  configure (limits: Limits): void {
    this.#limits.limits = limits
  }

  /** Whether a socket may come in; one that may has to `leave`. */
  admit (socket: Socket): boolean {
    const { aedes, counters } = this.#engine
    if (aedes.closed) return false
    counters.sockets++
    const address = socket.remoteAddress ?? ''
    const refusal = this.#limits.enter(address)
    if (refusal === undefined) return true
    this.#engine.refused(refusal, `the limit ${refusal}`, { address })
    return false
  }

  leave (socket: Socket): void {
    // Node remembers the address, because `admit` asked for it.
    this.#limits.leave(socket.remoteAddress ?? '')
  }

  /** CONNECT was read. */
  announce (client: Client, packet: ConnectPacket): void {
    const { connections, counters } = this.#engine
    const state = connections.stateOf(client)
    if (state !== undefined) {
      state.keepalive = packet.keepalive ?? 0
      state.isBridge = (packet as { bridgeMode?: boolean }).bridgeMode === true
    }
    counters.connects++
  }

  /** aedes asks whether the client may come in. */
  authenticate (client: Client, username: string | undefined, password: Buffer | undefined, done: Authenticated): void {
    try {
      const engine = this.#engine
      const state = engine.connections.stateOf(client) as ClientState
      const { arrival, keepalive } = state
      state.username = arrival.username ?? username
      const newSession = !client.clean && !engine.persistence.hasSession(client.id)
      engine.gate.decide({ clientId: client.id, newSession, keepalive, username, password, arrival }, decision => {
        const refusal = 'by' in decision ? decision : firstRefusal(steps.letIn, newcomer(engine, client, state, decision.verified))
        if (refusal === undefined) return done(null, true)
        state.refusal = refusal.by
        if (state.speaker !== undefined) state.speaker.refused = { code: codeOf(refusal), text: refusal.text }
        done(Object.assign(new Error(refusal.text), { returnCode: refusal.returnCode }), false)
      }).catch((error: Error) => { client.emit('error', error) })
    } catch (error) {
      client.emit('error', error as Error)
    }
  }

  /** aedes has registered a client. @returns its connection; undefined: it was refused after all */
  register (client: Client): Connection | undefined {
    const engine = this.#engine
    const state = engine.connections.stateOf(client)
    if (state === undefined) return undefined
    const refusal = firstRefusal(steps.register, newcomer(engine, client, state, state.verified))
    if (refusal !== undefined) {
      const { username, arrival: { address } } = state
      engine.refused(refusal.by, refusal.text, { clientId: client.id, username, address })
      engine.connections.hangUp(client, refusal.text)
      return undefined
    }
    this.hasHadSessions ||= !client.clean
    return state.connection
  }
}

function newcomer (engine: Engine, client: Client, state: ClientState, verified: boolean): Newcomer {
  return { engine, client: internalsOf(client), state, owner: verified ? state.username ?? '' : null }
}
