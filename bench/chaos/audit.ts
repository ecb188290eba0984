import type { Knex } from 'knex'
import { kindOf } from './kinds.ts'
import { readLedger, type Entry } from './ledger.ts'
import type { SubscriberReport } from './actors/subscribers.ts'
import { timeOf } from './time.ts'
import type { Outage } from './worker.ts'

/** A promise that was broken: which, how often, and some of the cases. */
export interface Violation { promise: string, count: number, examples: string[] }

/** Rows by agent and value, of the number `n` and of the text `t`. */
export interface Stored { n: Map<string, Map<number, number>>, t: Map<string, Map<number, number>> }

/** What the database has of the honest publishers; read agent by agent, so that it need not all be in memory. */
export async function readStored (db: Knex): Promise<Stored> {
  const stored: Stored = { n: new Map(), t: new Map() }
  const series = await db('series').join('agents', 'agents.id', 'agent_id').where('uuid', 'like', 'chaos-%').select('series.id', 'uuid', 'type') as Array<{ id: number, uuid: string, type: string }>
  for (const { id, uuid, type } of series) {
    if (kindOf(uuid) === undefined || (type !== 'n' && type !== 't')) continue
    const rows = await db('metrics').where('series_id', id).select('value', 'text') as Array<{ value: number | null, text: string | null }>
    const values = stored[type].get(uuid) ?? new Map<number, number>()
    stored[type].set(uuid, values)
    for (const { value, text } of rows) {
      const number = Number(value ?? text)
      values.set(number, (values.get(number) ?? 0) + 1)
    }
  }
  return stored
}

/** Counts broken promises, and keeps some cases of each. */
export class Violations {
  readonly list: Violation[] = []

  add (promise: string, example: string, count = 1): void {
    let violation = this.list.find(known => known.promise === promise)
    if (violation === undefined) this.list.push(violation = { promise, count: 0, examples: [] })
    violation.count += count
    if (violation.examples.length < 5) violation.examples.push(example)
  }
}

/** ms around an outage in which what was under way may have been cut short. */
const margin = 2_000
/** ms that what nobody acknowledges may have been under way. */
const unknownTime = 15_000

export function isDuring (outages: readonly Outage[], from: number, to: number): boolean {
  return outages.some(outage => from < outage.to + margin && to > outage.from - margin)
}

export interface LedgerFigures {
  entries: number
  acknowledged: number
  /** Messages that were acknowledged and are not stored, and rows that are there once too often. */
  lost: number
  doubled: number
  /** `<agent> <value>` of those whose way an outage may have cut short. */
  cutShort: Set<string>
  /** Of all others, with when they were sent. */
  whole: Map<string, number>
}

/**
 * Every message of the ledgers is stored, and as often as it was sent.
 * @param outages of whatever acknowledges
 * @param way what may cut short the way of a message to its subscribers, and for how many ms after its acknowledgement
 */
export async function checkLedgers (files: string[], stored: Stored, outages: readonly Outage[], violations: Violations, way = { outages, after: 0 }): Promise<LedgerFigures> {
  const figures: LedgerFigures = { entries: 0, acknowledged: 0, lost: 0, doubled: 0, cutShort: new Set(), whole: new Map() }
  for (const file of files) {
    let bundle: { entry: Entry, count: number, resends: number } | undefined
    const finish = (): void => { if (bundle !== undefined) check(bundle.entry, bundle.count, bundle.resends) }
    const bundles = new Map<string, { entry: Entry, count: number, resends: number }>()
    for await (const entry of readLedger(file)) {
      const kind = kindOf(entry.uuid)
      if (kind === undefined) continue
      figures.entries++
      if (kind.qos > 0 && kind.hasty !== true) figures.acknowledged++
      if (kind.copies === undefined) {
        bundle = { entry, count: 1, resends: entry.resends }
        finish()
        continue
      }
      const value = Math.floor(entry.seq / kind.copies)
      const key = `${entry.uuid} ${value}`
      const copies = bundles.get(key) ?? { entry: { ...entry, seq: value }, count: 0, resends: 0 }
      copies.count++
      copies.resends += entry.resends
      copies.entry.sentAt = Math.min(copies.entry.sentAt, entry.sentAt)
      copies.entry.doneAt = Math.max(copies.entry.doneAt, entry.doneAt)
      bundles.set(key, copies)
    }
    for (bundle of bundles.values()) finish()
  }

  // What no ledger has is not owed, but may not be there more than once either.
  for (const [uuid, values] of stored.n) {
    const kind = kindOf(uuid)
    if (kind === undefined || !kind.timestamp) continue
    for (const [value, rows] of values) if (rows > 1 && !isKnown(`${uuid} ${value}`)) tooMany(`${uuid} ${value}: ${rows} rows`, rows - 1)
  }
  return figures

  function tooMany (about: string, count: number): void {
    violations.add('nothing is stored twice', about, count)
    figures.doubled += count
  }

  function isKnown (message: string): boolean {
    return figures.cutShort.has(message) || figures.whole.has(message)
  }

  function check ({ uuid, seq, sentAt, doneAt }: Entry, count: number, resends: number): void {
    const kind = kindOf(uuid)
    if (kind === undefined) return
    const until = kind.qos === 0 || kind.hasty === true ? doneAt + unknownTime : doneAt
    const during = isDuring(outages, sentAt, until)
    if (isDuring(way.outages, sentAt, until + way.after)) figures.cutShort.add(`${uuid} ${seq}`)
    else figures.whole.set(`${uuid} ${seq}`, sentAt)
    const owed = kind.qos === 0 ? 0 : kind.hasty === true && during ? 0 : count
    const most = kind.timestamp || (kind.qos === 2 && !during) ? count : count + resends
    const rows = stored.n.get(uuid)?.get(seq) ?? 0
    const texts = stored.t.get(uuid)?.get(seq) ?? 0
    const about = `${uuid} ${seq}: ${rows} rows, ${count} ${kind.qos === 0 || kind.hasty === true ? 'sent' : 'acknowledged'}, ${resends} sent again, at ${timeOf(sentAt)}`
    if (rows < owed && kind.hasty === true) violations.add('what is sent before CONNACK is stored', about, owed - rows)
    if (rows < owed && kind.hasty !== true) {
      violations.add('acknowledged means stored', about, owed - rows)
      figures.lost += owed - rows
    }
    if (rows > most) tooMany(about, rows - most)
    if (texts !== rows) violations.add('a message is stored whole', `${about}; ${texts} of its second metric`)
  }
}

export interface Missed { count: number, examples: string[] }

/** What a persistent subscriber did not receive of what is stored, less what an outage may have cut short. */
export function missedBy (subscriber: SubscriberReport, stored: Stored, { whole }: LedgerFigures, outages: readonly Outage[]): Missed {
  const missed: Missed = { count: 0, examples: [] }
  const times: number[] = []
  for (const [uuid, values] of stored.n) {
    const heard = subscriber.heard.get(uuid)
    for (const [value, rows] of values) {
      const lacking = Math.min(rows, 255) - (heard?.[value] ?? 0)
      if (lacking <= 0) continue
      const sentAt = whole.get(`${uuid} ${value}`)
      if (sentAt === undefined && outages.length > 0) continue
      missed.count += lacking
      if (sentAt !== undefined) times.push(sentAt)
      if (missed.examples.length < 3) missed.examples.push(`${uuid} ${value}`)
    }
  }
  if (times.length > 0) missed.examples.push(`sent ${spansOf(times).join(', ')}`)
  return missed
}

/** Times as spans, a second of nothing between two. */
function spansOf (times: number[]): string[] {
  const spans: Array<[number, number]> = []
  for (const time of times.sort((a, b) => a - b)) {
    const last = spans.at(-1)
    if (last !== undefined && time - last[1] < 1000) last[1] = time
    else spans.push([time, time])
  }
  return spans.slice(0, 8).map(([from, to]) => `${timeOf(from)}–${timeOf(to)}`)
}
