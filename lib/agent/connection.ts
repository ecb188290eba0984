import type { MqttClient } from 'mqtt'
import { Backoff } from '../backoff.ts'
import { connectionFault } from '../connection-fault.ts'
import { PlatziverseError } from '../errors.ts'
import { topics } from '../messages/topics.ts'
import { readMqttAddress } from '../mqtt/address.ts'
import { HungUp, isHangUp, isOtherVersion, takenOver as takenOverCode, tooLarge } from '../mqtt/link/faults.ts'
import { connectGuarded } from '../mqtt/link/mqtt-guard.ts'
import { largestPacket } from '../mqtt/link/packet-limit.ts'
import { keepToQuota } from '../mqtt/link/send-quota.ts'
import type { SpokenVersion, SpokenVersions } from '../mqtt/link/spoken-version.ts'
import { invalid, type AgentAddress, type AgentSettings } from './options.ts'
import { jsonMessage } from './publishing.ts'

/** How many connections in a row have to end shortly after they began before that is reported. */
const reportedAfter = 3
/** Ms after which a connection counts as one that lasts: what ends it then is no message. */
const lasting = 10_000

/** A time of which there is one only, in UTC ms, and the number of what was said then. */
export interface Moment { timestamp: number, seq: number }

export interface ConnectionEvents {
  /** The broker accepted the connection and the subscriptions. @param moment when the attempt began: the last will has it too, with the next number */
  opened (client: MqttClient, moment: Moment): void
  /**
   * An opened connection was lost; the next attempt is under way.
   * @param isHangUp whether the broker may have ended it over what it was given
   */
  lost (reason: PlatziverseError, isHangUp: boolean): void
  /** The broker ended a connection shortly after it accepted it; with a reason when that happened several times in a row. */
  takenOver (reason: PlatziverseError | undefined): void
  /** An attempt failed, or the broker refused something. */
  failed (reason: PlatziverseError): void
  /** @param retained whether the broker had it before this agent subscribed */
  message (topic: string, payload: Buffer, retained: boolean): void
}

export interface Connection {
  /**
   * Say farewell, then close cleanly; within `limit` ms, after which the socket is cut and the broker publishes the will.
   * No event follows.
   */
  stop (farewell: (client: MqttClient) => Promise<unknown>, limit: number): Promise<void>
}

/**
 * Be connected from now until `stop`, with exponential back-off and jitter between attempts.
 * Each attempt is a new MQTT.js client that does not reconnect: its own store would send messages again, on top of the outbox.
 * With MQTT 5 the broker keeps the session for as long as it holds the will back [MQTT-3.1.3-9]; otherwise it keeps nothing [MQTT-3.1.2-6].
 * @param versions those of the brokers that this agent knows
 * @param nextMoment the time, in UTC ms, later than each that it gave before
 */
export function keepConnected (settings: AgentSettings, versions: SpokenVersions, nextMoment: () => number, on: ConnectionEvents): Connection {
  const { identity: { uuid }, willDelay } = settings
  let client: MqttClient | undefined
  let opened = false
  let stopped = false
  /** Whether a session of this agent may be left: an earlier one, of another run, may have other subscriptions. */
  let hasSession = false
  const backoff = new Backoff(settings.reconnect, { jitter: true })
  let takenOver = 0
  let attempts = 0
  let retry: NodeJS.Timeout | undefined

  /** @param known the address, where it is tried again in another version */
  function attempt (known?: string | AgentAddress): void {
    try {
      const at = known ?? (typeof settings.url === 'function' ? settings.url(attempts++) : settings.url)
      if (at === undefined) throw new Error('its broker does not listen yet')
      const isPlain = typeof at === 'string'
      const { url, ...asTold } = isPlain ? { url: at } : at
      const { url: address, ...login } = readMqttAddress(url)
      // The will of an earlier connection, which the broker may publish late, is older than this one.
      const moment = { timestamp: nextMoment(), seq: 0 }
      const will = { agent: { uuid }, ...moment, seq: moment.seq + 1 }
      let isSaid = false
      const version = versions.of(address)
      follow(connectGuarded(address, {
        // One id per agent, so that a broker drops the earlier, half-open connection now instead of sending its will later.
        clientId: `platziverse-${uuid}`,
        keepalive: 30,
        connectTimeout: 10_000,
        ...isPlain ? {} : { ...asTold, ...login },
        ...settings.mqtt,
        ...isPlain ? login : {},
        protocolVersion: version.now,
        clean: version.now === 4 || !hasSession,
        properties: { ...settings.mqtt.properties, sessionExpiryInterval: willDelay },
        reconnectPeriod: 0,
        queueQoSZero: false,
        resubscribe: false,
        will: {
          topic: topics.disconnected,
          payload: Buffer.from(JSON.stringify(will)),
          qos: jsonMessage.qos,
          retain: false,
          properties: { ...jsonMessage.properties, willDelayInterval: willDelay }
        }
      }, {
        largest: largestPacket,
        steppedOver (packet) {
          // A broker may send many of them.
          if (!isSaid) on.failed(tooLarge(packet))
          isSaid = true
        }
      }), moment, version, at)
    } catch (error) {
      tryAgain()
      on.failed(unreachable(error))
    }
  }

  function follow (link: MqttClient, moment: Moment, version: SpokenVersion, at: string | AgentAddress): void {
    const closedByBroker = new Error('the broker closed the connection')
    let cause: unknown = closedByBroker
    let openedAt = 0
    let acknowledged = false
    client = link
    link.on('connect', ({ properties }) => {
      openedAt = performance.now()
      version.letIn()
      hasSession = version.now === 5 && willDelay > 0
      keepToQuota(link, properties?.receiveMaximum)
      if (settings.listen) link.subscribe(Object.values(topics), { qos: 1 }, error => open(link, moment, error))
      else open(link, moment)
    })
    link.on('message', (topic, payload, { retain }) => on.message(topic, payload, retain))
    // An acknowledgement, not the connection, shows that the broker works: one that acknowledges nothing closes again and again. Nor is
    // all well right after a connection was taken over: the other agent takes this one over as soon as it is back.
    link.on('packetreceive', packet => {
      if (packet.cmd !== 'puback') return
      acknowledged = true
      if (takenOver !== 0 && !isSteady(openedAt)) return
      backoff.reset()
      takenOver = 0
    })
    link.on('disconnect', packet => {
      if (packet.reasonCode !== takenOverCode) cause = new HungUp(packet)
    })
    link.on('error', error => {
      cause = error
      link.end(true)
      // What arrived in one piece with the fault is still reported, and an ended client of MQTT.js throws when asked to publish.
      closed()
    })
    link.on('close', closed)

    function isOfVersion (cause: unknown): boolean {
      return cause === closedByBroker || isOtherVersion(Number((cause as { code?: unknown }).code))
    }

    function closed (): void {
      if (link !== client) return
      const wasOpen = opened
      client = undefined
      opened = false
      if (stopped) return
      if (openedAt === 0 && isOfVersion(cause) && version.refused(cause !== closedByBroker)) return attempt(at)
      const wasTakenOver = wasOpen && acknowledged && cause === closedByBroker && !isSteady(openedAt)
      if (wasTakenOver) takenOver++
      tryAgain()
      if (wasTakenOver) on.takenOver(takenOver === reportedAfter ? takenOverBy(link.options.clientId) : undefined)
      if (wasOpen) on.lost(unreachable(cause), performance.now() - openedAt < lasting && isHangUp(cause === closedByBroker ? undefined : cause as Error))
      else on.failed(unreachable(cause))
    }
  }

  function open (link: MqttClient, moment: Moment, refused?: Error | null): void {
    if (link !== client || stopped) return
    opened = true
    if (refused) on.failed(invalid(`listen must be false here: the broker does not let this agent hear the others (${refused.message}).`, refused))
    on.opened(link, moment)
  }

  /** Whether a connection lasted longer than any wait between two attempts. */
  function isSteady (openedAt: number): boolean {
    return performance.now() - openedAt > settings.reconnect.max
  }

  function tryAgain (): void {
    retry = setTimeout(() => { attempt() }, backoff.next())
  }

  retry = setTimeout(() => { attempt() })

  return {
    async stop (farewell, limit) {
      stopped = true
      clearTimeout(retry)
      const link = client
      if (link === undefined) return
      const closed = new Promise<void>(resolve => { link.once('close', resolve) })
      const cut = setTimeout(() => link.stream.destroy(), limit)
      if (opened) await Promise.race([farewell(link).catch(() => {}), closed])
      if (client === link) {
        // The will and the session are not wanted any more.
        link.end(!opened, { reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
        await closed
      }
      clearTimeout(cut)
    }
  }
}

function takenOverBy (clientId = ''): PlatziverseError {
  return new PlatziverseError('AGENT_TAKEN_OVER', `The broker ended ${reportedAfter} connections in a row that worked, as it does when another client connects with the client id ${JSON.stringify(clientId)}.`)
}

function unreachable (cause: unknown): PlatziverseError {
  return new PlatziverseError('AGENT_UNREACHABLE', `No connection: ${connectionFault(cause).text}.`, { cause })
}
