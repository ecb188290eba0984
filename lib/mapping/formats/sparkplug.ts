import { show } from '../../messages/metrics.ts'
import { agentOf, type AgentFinder } from '../agent.ts'
import { choiceOf, type Choice } from '../choice.ts'
import type { Asked, MakeReader, Matched, Read, ReadAgent, Reading } from '../reading.ts'
import { Births, type Born } from './sparkplug/births.ts'
import { rebirthCommand } from './sparkplug/command.ts'
import { decodeSparkplug, plainValue, type SparkplugMetric, type SparkplugPayload } from './sparkplug/payload.ts'
import { Gathered, mostMetrics } from './gathered.ts'

const nothing: Read = { ok: true, readings: [] }
type Bad = Exclude<Read, { ok: true }>

/** Where a message comes from: `spBv1.0/group/NDATA/node` or `spBv1.0/group/DDATA/node/device`. */
interface Source {
  /** Levels that a bridge put before the namespace, and the namespace. */
  namespace: string
  group: string
  kind: string
  node: string
  device: string
  /** What births of the node are kept under. Those of another user are others: who may not speak for an agent must not rename its metrics. */
  key: string
}

/**
 * Sparkplug B. Births connect and name metrics, data may name them by alias alone, deaths disconnect: that of a node its devices, too, and one
 * of an older connection nobody. Without a uuid in the rule the agent is `group:node` or `group:node:device`. Commands and states of hosts are left out.
 */
export const sparkplug: MakeReader = rule => {
  // Presence has no time here: a will carries the one of its connection, which `bdSeq` tells better.
  const agents = agentOf({ ...rule, uuid: rule.uuid || '{$.id}' }, true)
  const reader = new SparkplugReader(agents, choiceOf(rule))
  return matched => reader.read(matched)
}

class SparkplugReader {
  readonly #agents: AgentFinder
  readonly #typeOf: Choice
  readonly #births = new Births()

  constructor (agents: AgentFinder, typeOf: Choice) {
    this.#agents = agents
    this.#typeOf = typeOf
  }

  read (matched: Matched): Read {
    const source = sourceOf(matched)
    if (source === undefined) return nothing
    const decoded = decodeSparkplug(matched.payload, mostMetrics)
    if (!decoded.ok) return decoded
    const read = this.#readOf(matched, source, decoded.payload)
    // A birth begins the numbers anew, and a death has none.
    const hasGap = source.kind !== 'NBIRTH' && source.kind !== 'NDEATH' && this.#births.hasGap(source.key, decoded.payload, matched.receivedAt)
    return hasGap || (!read.ok && read.reason === 'BIRTH_UNKNOWN') ? { ...read, asks: this.#rebirth(matched, source) } : read
  }

  #readOf (matched: Matched, source: Source, payload: SparkplugPayload): Read {
    switch (source.kind) {
      case 'NBIRTH':
      case 'DBIRTH': return this.#born(matched, source, payload)
      case 'NDATA':
      case 'DDATA': return this.#metrics(matched, source, payload)
      case 'NDEATH': return this.#nodeDied(matched, source, payload)
      default:
        this.#births.endDevice(source.key, source.device)
        return this.#presence(matched, [source], 'disconnected')
    }
  }

  #born (matched: Matched, source: Source, payload: SparkplugPayload): Read {
    const { gone } = this.#births.add(source.key, source.device, payload, bdSeqOf(payload.metrics))
    const left = this.#presence(matched, gone.map(device => ({ ...source, device })), 'disconnected')
    const came = this.#presence(matched, [source], 'connected')
    const metrics = this.#metrics(matched, source, payload)
    if (!left.ok || !came.ok) return left.ok ? came : left
    return metrics.ok ? { ok: true, readings: [...left.readings, ...came.readings, ...metrics.readings] } : metrics
  }

  #nodeDied (matched: Matched, source: Source, payload: SparkplugPayload): Read {
    const node = source.key
    if (!this.#births.isOf(node, bdSeqOf(payload.metrics))) return nothing
    const devices = this.#births.endNode(node)
    return this.#presence(matched, [source, ...devices.map(device => ({ ...source, device }))], 'disconnected')
  }

  #presence (matched: Matched, sources: Source[], kind: 'connected' | 'disconnected'): Read {
    const readings: Reading[] = []
    for (const source of sources) {
      const found = this.#agent(matched, source)
      if (!found.ok) return found
      readings.push({ kind, agent: found.agent })
    }
    return { ok: true, readings }
  }

  #metrics (matched: Matched, source: Source, payload: SparkplugPayload): Read {
    const found = this.#agent(matched, source)
    if (!found.ok) return found
    const gathered = new Gathered()
    for (const metric of payload.metrics) {
      const born = this.#births.find(source.key, source.device, metric)
      const name = metric.name ?? born?.name
      if (name === undefined || isUntyped(metric, born)) return unknown(source, metric)
      // Sequence numbers are not what anybody measures.
      if (metric.value === undefined || name === 'bdSeq') continue
      const value = plainValue(metric.value, metric.datatype ?? born?.datatype)
      if (typeof value === 'number' && !Number.isFinite(value)) continue
      const type = this.#typeOf(name)
      if (type !== undefined) gathered.add(found.agent, metric.timestamp ?? payload.timestamp, type, value)
      if (gathered.isTooMuch) break
    }
    return gathered.read()
  }

  /** Whom to ask for the births of a node. Undefined: the row does not say which agent the node is. */
  #rebirth (matched: Matched, source: Source): Asked | undefined {
    const node = this.#agent(matched, { ...source, device: '' })
    return node.ok ? { agent: node.agent, topic: commandTopic(source), payload: rebirthCommand(matched.receivedAt) } : undefined
  }

  #agent (matched: Matched, { group, node, device }: Source): { ok: true, agent: ReadAgent } | Bad {
    const id = [group, node, device].filter(part => part !== '').join(':')
    return this.#agents.find(matched, { id, group, node, ...device === '' ? {} : { device } })
  }
}

/** Undefined: it is nothing that is read, such as a command. */
function sourceOf ({ topic, user }: Matched): Source | undefined {
  const levels = topic.split('/')
  // A bridge may have put its own levels before them.
  const start = levels.indexOf('spBv1.0') + 1
  const [group = '', kind = '', node = '', device = '', ...others] = levels.slice(start)
  const isOfDevice = device !== ''
  const known = isOfDevice ? ['DBIRTH', 'DDATA', 'DDEATH'] : ['NBIRTH', 'NDATA', 'NDEATH']
  return others.length === 0 && group !== '' && node !== '' && known.includes(kind) ? { namespace: levels.slice(0, start).join('/'), group, kind, node, device, key: JSON.stringify([group, node, user]) } : undefined
}

function bdSeqOf (metrics: SparkplugMetric[]): number | undefined {
  const value = metrics.find(({ name }) => name === 'bdSeq')?.value
  const number = value === undefined ? undefined : plainValue(value, undefined)
  return typeof number === 'number' ? number : undefined
}

function commandTopic ({ namespace, group, node }: Source): string {
  return `${namespace}/${group}/NCMD/${node}`
}

/** Whether only its data type, which neither the metric nor a birth tells, could say what a whole number is: -1 and 4294967295 are written alike. */
function isUntyped ({ datatype, value }: SparkplugMetric, born: Born | undefined): boolean {
  return born === undefined && datatype === undefined && (value?.kind === 'int' || value?.kind === 'long')
}

function unknown (source: Source, { name, alias }: SparkplugMetric): Bad {
  if (name === undefined && alias === undefined) return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: 'The payload is not Sparkplug B: a metric has neither a name nor an alias.' }
  const { group, node, device } = source
  const [of, topic] = [show([group, node, device].filter(part => part !== '').join('/')), show(commandTopic(source))]
  const detail = name === undefined
    ? `No birth of ${of} that was seen since the start gave the alias ${alias} a name: its node is asked for one on ${topic}.`
    : `No birth of ${of} that was seen since the start gave ${show(name)} a data type: its node is asked for one on ${topic}.`
  return { ok: false, reason: 'BIRTH_UNKNOWN', detail }
}
