import type { Knex } from 'knex'
import type { MessageRow } from '../dialect.ts'
import { agentsPerBlock } from './blocks.ts'
import { partsIn } from './statements.ts'

/** Rows of `metrics_arrived`, and metrics in them: whoever reads looks through all of them. */
const most = { rows: 2_560, metrics: 20_000 }
/** What may be in them before they are settled; the rest is for what comes meanwhile. */
const due = { rows: 2_048, metrics: 16_000 }
/** Messages of each agent, on average, before they are settled, and messages in all that are worth it: each that is there costs a question about its agent some 3 µs. */
const mostPerAgent = 200
const least = 512
/** Messages of each agent, on average, that are worth settling: those of more agents go to their blocks first. */
const leastPerAgent = 128
/** Rows of a batch that is written here: a larger one fills pages of its own. */
const mostTogether = 64
/** Characters of a row: a larger one would not leave room for others in its page. */
const mostCharacters = 1_000

/** A row of `metrics_arrived` but for its id: a message, or a part of one. */
type Row = [ts: number, agent: number, seq: number, part: number, metrics: string]

const keyOf = (ts: number, agent: number, seq: number): string => `${ts}/${agent}/${seq}`

/** These messages as rows; undefined where they are too many or too long. @param agents the id of each message's agent */
export function rowsOfFew (messages: MessageRow[], agents: number[]): Row[] | undefined {
  if (agents.length > mostTogether) return undefined
  const rows: Row[] = []
  for (let i = 0; i < agents.length; i++) {
    const message = messages[i] as MessageRow
    for (const [part, metrics] of partsIn(message)) {
      if (metrics.length > mostCharacters) return undefined
      rows.push([message[0], agents[i] as number, message[1], part, `{${metrics}}`])
    }
  }
  return rows.length > mostTogether ? undefined : rows
}

/** Whether a message comes twice among these rows. */
export function haveTwice (rows: Row[]): boolean {
  return rows.length > 1 && new Set(rows.map(([ts, agent, seq, part]) => `${keyOf(ts, agent, seq)}/${part}`)).size < rows.length
}

/**
 * What is in `metrics_arrived`, as the only process that writes knows it: it may take more rows for used, and more messages for there, than are. A
 * row whose message is settled is used again; nothing is written to say so.
 */
export class Arrived {
  #isKnown = false
  #free: number[] = []
  #keys = new Set<string>()
  /** Of these messages: cheaper to look for than a key. */
  #times = new Set<number>()
  #agents = new Set<number>()
  #rows = 0
  #metrics = 0

  async load (db: Knex): Promise<void> {
    const rows = await db('metrics_arrived as arrived').leftJoin('metrics_blocks as b', 'b.block', 'arrived.block').whereRaw('arrived.ts >= coalesce(b.settled_to, 0)')
      .select<Array<Record<'id' | 'ts' | 'agent' | 'seq' | 'metrics', number>>>('arrived.id', 'ts', { agent: 'agent_id' }, 'seq', db.raw('(select count(*) from json_each(metrics)) as metrics'))
    this.#clear()
    const used = new Set<number>()
    for (const { id, ts, agent, seq, metrics } of rows) {
      used.add(id)
      this.#count(ts, agent, seq, metrics)
    }
    for (let id = most.rows; id > 0; id--) if (!used.has(id)) this.#free.push(id)
    this.#isKnown = true
  }

  get isKnown (): boolean { return this.#isKnown }

  forget (): void { this.#isKnown = false }

  hasRoomFor (rows: number): boolean {
    return this.#free.length >= rows && this.#metrics < most.metrics
  }

  /** Whether one of these messages may be there. */
  hasSome (messages: MessageRow[], agents: number[]): boolean {
    return messages.some(([ts, seq], i) => this.#times.has(ts) && this.#keys.has(keyOf(ts, agents[i] as number, seq)))
  }

  /** Take rows for what is to be written: `[[id, ts, agent id, seq, part, {"series id": value, …}], …]`. */
  take (rows: Row[]): string {
    return `[${rows.map(([ts, agent, seq, part, metrics]) => `[${this.#free.pop() as number},${ts},${agent},${seq},${part},${metrics}]`).join(',')}]`
  }

  /** These were written. */
  added (messages: MessageRow[], agents: number[]): void {
    for (const [i, row] of messages.entries()) this.#count(row[0], agents[i] as number, row[1], (row.length - 2) / 2)
  }

  /** All of it was moved to the blocks. */
  emptied (): void {
    this.#clear()
    for (let id = most.rows; id > 0; id--) this.#free.push(id)
  }

  /** The blocks whose messages are to be settled from here. */
  due (): number[] {
    const agents = this.#agents.size
    const isMuch = this.#rows > Math.min(due.rows, Math.max(least, agents * mostPerAgent)) || this.#metrics > due.metrics
    return this.#isKnown && isMuch && this.#rows >= agents * leastPerAgent ? [...new Set([...this.#agents].map(agent => Math.floor(agent / agentsPerBlock)))] : []
  }

  #clear (): void {
    this.#free = []
    this.#keys.clear()
    this.#times.clear()
    this.#agents.clear()
    this.#rows = this.#metrics = 0
  }

  #count (ts: number, agent: number, seq: number, metrics: number): void {
    this.#keys.add(keyOf(ts, agent, seq))
    this.#times.add(ts)
    this.#agents.add(agent)
    this.#rows++
    this.#metrics += metrics
  }
}
