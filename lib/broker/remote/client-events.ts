import { topics } from '../../messages/topics.ts'
import type { Publication } from '../publication.ts'
import type { Sender } from './sender.ts'

/** What a broker says of its clients. */
export interface ClientEvent { event: 'connected' | 'disconnected', clientId: string }

/** Where a broker says it, and how. A connection that the next one of the same client id takes over is no goodbye. */
interface Source {
  filter: string
  read (topic: string, payload: string): ClientEvent | undefined
}

/** Mosquitto cuts its lines off there. */
const longestLine = 1_000

/** What stands before a line: seconds since 1970, another time where `log_timestamp_format` has one, or nothing. */
const stamp = String.raw`^(?:\d\S*(?: \S+)?: )?`

/** Mosquitto's lines, in its versions 2.0 and 2.1. A client id may contain anything, and whatever follows it: the longest one is meant. */
const mosquittoLines = ([
  ['connected', String.raw`New client connected from \S+ as (.+) \(p\d+, c\d, k\d+(?:, u'.*')?\)\.`],
  ['disconnected', String.raw`Client (.+) \[\S*:\d+\] disconnected(?:\.|: (?!session taken over).+)`],
  ['disconnected', String.raw`Client (.+) (?:disconnected(?:| due to .+|, .+)\.|disconnected: .+|closed its connection\.|has exceeded timeout, disconnecting\.|been disconnected by administrative action\.)`],
  ['disconnected', String.raw`Socket error on client (.+), disconnecting\.`],
  ['disconnected', String.raw`Bad socket read/write on client (.+): .+`]
] as const).map(([event, line]) => [event, new RegExp(`${stamp}${line}$`)] as const)

const takenOver = /\] disconnected: session taken over\.$/

/** Why EMQX ends a connection of a client that has a new one already. */
const takeovers = new Set<unknown>(['takenover', 'takeovered', 'discarded'])

/** A broker a row. */
export const clientEventSources = {
  /** Mosquitto 2: lines of its log, with `log_dest topic` and `log_type notice`. In 2.0, none says that a connection was taken over. */
  mosquitto: {
    filter: '$SYS/broker/log/N',
    read (_topic, payload) {
      if (payload.length > longestLine || takenOver.test(payload)) return undefined
      for (const [event, line] of mosquittoLines) {
        const clientId = line.exec(payload)?.[1]
        if (clientId !== undefined) return { event, clientId }
      }
      return undefined
    }
  },
  /** EMQX: https://docs.emqx.com/en/emqx/latest/observability/mqtt-system-topics.html */
  emqx: {
    filter: '$SYS/brokers/+/clients/#',
    read (topic, payload) {
      const event = /\/(connected|disconnected)$/.exec(topic)?.[1] as ClientEvent['event'] | undefined
      try {
        const { clientid, reason } = JSON.parse(payload) as { clientid?: unknown, reason?: unknown }
        return event === undefined || typeof clientid !== 'string' || takeovers.has(reason) ? undefined : { event, clientId: clientid }
      } catch {
        return undefined
      }
    }
  }
} as const satisfies Record<string, Source>

export type ClientEventSource = keyof typeof clientEventSources

/** What stands before the uuid in the client ids of our agents; the client id of any other agent is its uuid. */
const prefix = 'platziverse-'

/**
 * ms until an agent whose client went is said to be gone: its last messages are stored by then, whichever worker has them, and a client that only
 * changed its connection is back.
 */
const graceOfClients = 5_000
/** Most clients that wait for that, or whose goodbye waits for the database, and the longest client id of an agent: a uuid has up to 128 characters. */
const mostLeaving = 100_000
const longestId = prefix.length + 128

/**
 * Say a goodbye for each agent whose client leaves the broker. Each worker hears of each client; the database decides which of them passes it on.
 * @param take takes the goodbye as if the agent had published it, and calls `taken` once that is over
 * @returns a function that ends this
 */
export function watchClients (source: ClientEventSource, sender: Pick<Sender, 'subscribe'>, take: (goodbye: Publication, taken: () => void) => void, grace = graceOfClients): () => void {
  const { filter, read } = clientEventSources[source]
  const leaving = new Map<string, NodeJS.Timeout>()
  let waiting = 0
  const end = sender.subscribe(filter, ({ topic, payload }) => {
    const found = read(topic, payload.toString())
    if (found === undefined) return
    const { event, clientId } = found
    clearTimeout(leaving.get(clientId))
    leaving.delete(clientId)
    if (event === 'connected' || clientId.length > longestId || leaving.size + waiting >= mostLeaving) return
    leaving.set(clientId, setTimeout(() => {
      leaving.delete(clientId)
      waiting++
      take(goodbyeOf(clientId.startsWith(prefix) ? clientId.slice(prefix.length) : clientId), () => { waiting-- })
    }, grace).unref())
  })
  return () => {
    end()
    for (const timer of leaving.values()) clearTimeout(timer)
    leaving.clear()
  }
}

function goodbyeOf (uuid: string): Publication {
  return { topic: topics.disconnected, payload: Buffer.from(JSON.stringify({ agent: { uuid } })), qos: 0, retain: false, will: false, connection: undefined, observed: true }
}
