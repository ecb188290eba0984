import type { Knex } from 'knex'
import { kindOf } from '../store/dialects/database-kind.ts'
import { ok, type AlertState, type Phase } from './rules/alert-state.ts'
import type { Silence } from './quiet.ts'

/** What identifies the state of a rule; `type` is '' for an agent as a whole. */
export interface StateKey { rule: string, uuid: string, type: string }

/** What the database knows of a rule for a series or an agent. */
export interface StateRow extends StateKey {
  state: AlertState
  /** When it was raised or ended, UTC ms, and with which value. */
  changedAt: number
  value: number | string | null
  /** Whether it was announced last as raised, and when; UTC ms. */
  told: boolean
  toldAt: number
  acknowledged: boolean
}

/** ms for which a silence that is over is remembered: as long as another process may not have seen that it was ended. */
const endKept = 3_600_000

type Row = Record<'rule' | 'uuid' | 'type' | 'phase', string> & Record<'since' | 'right_since' | 'changed_at' | 'told' | 'told_at' | 'acknowledged', number | string> & { value: string | null }

const key = ['node', 'rule', 'uuid', 'type']

/** The states of a node that is identified by its id. Of what is `pending` or `ending` only since when: it is looked at by the clock. */
export async function readStates (db: Knex, node: string): Promise<StateRow[]> {
  const rows = await db('alert_states').where({ node }).select<Row[]>()
  return rows.map(({ rule, uuid, type, phase, value, ...row }) => ({
    rule,
    uuid,
    type,
    state: { ...ok, phase: phase as Phase, since: Number(row.since), right: Number(row.right_since) },
    changedAt: Number(row.changed_at),
    value: value === null ? null : JSON.parse(value) as number | string,
    told: Number(row.told) === 1,
    toldAt: Number(row.told_at),
    acknowledged: Number(row.acknowledged) === 1
  }))
}

/** In a transaction. What another process acknowledged meanwhile stays acknowledged, until it is raised anew. */
export async function writeStates (db: Knex, node: string, states: readonly StateRow[]): Promise<void> {
  const rows = states.map(({ rule, uuid, type, state, changedAt, value, told, toldAt, acknowledged }) => ({
    node,
    rule,
    uuid,
    type,
    phase: state.phase,
    since: state.since,
    right_since: state.right,
    changed_at: changedAt,
    value: value === null ? null : JSON.stringify(value),
    told: Number(told),
    told_at: toldAt,
    acknowledged: Number(acknowledged)
  }))
  const { rowsPerInsert, given } = kindOf(db)
  const merged = {
    // The first: MySQL compares with what the columns before it became.
    acknowledged: db.raw(`case when alert_states.since = ${given('since')} then alert_states.acknowledged else ${given('acknowledged')} end`),
    ...Object.fromEntries(['phase', 'since', 'right_since', 'changed_at', 'value', 'told', 'told_at'].map(column => [column, db.raw(given(column))]))
  }
  for (const some of inParts(rows, rowsPerInsert)) await db('alert_states').insert(some).onConflict(key).merge(merged)
}

/** In a transaction. */
export async function deleteStates (db: Knex, node: string, keys: readonly StateKey[]): Promise<void> {
  for (const some of inParts(keys, 100)) await chosen(db, node, some).delete()
}

export async function readSilences (db: Knex, node: string): Promise<Silence[]> {
  const rows = await db('alert_silences').where({ node }).select<Array<{ uuid: string, type: string, until: number | string }>>('uuid', 'type', 'until')
  return rows.map(({ uuid, type, until }) => ({ ...uuid === '' ? {} : { uuid }, ...type === '' ? {} : { type }, until: Number(until) }))
}

/** In a transaction: somebody knows of what is raised since then. */
export async function acknowledgeStates (db: Knex, node: string, raised: ReadonlyArray<StateKey & { since: number }>): Promise<void> {
  for (const some of inParts(raised, 100)) {
    await db('alert_states').where({ node }).whereIn(['rule', 'uuid', 'type', 'since'], some.map(({ rule, uuid, type, since }) => [rule, uuid, type, since])).update({ acknowledged: 1 })
  }
}

/** What somebody knows of, and since when that is wrong. */
export async function readAcknowledged (db: Knex, node: string): Promise<Array<StateKey & { since: number }>> {
  const rows = await db('alert_states').where({ node, acknowledged: 1 }).select<Array<StateKey & { since: number | string }>>('rule', 'uuid', 'type', 'since')
  return rows.map(row => ({ ...row, since: Number(row.since) }))
}

/** In a transaction: the node is there no more. */
export async function deleteAll (db: Knex, node: string): Promise<void> {
  for (const table of ['alert_states', 'alert_silences']) await db(table).where({ node }).delete()
}

/** In a transaction; forgets those that are over for long. */
export async function writeSilence (db: Knex, node: string, { uuid = '', type = '', until }: Silence, now: number): Promise<void> {
  await db('alert_silences').insert({ node, uuid, type, until: Math.max(until, now) }).onConflict(['node', 'uuid', 'type']).merge()
  await db('alert_silences').where({ node }).where('until', '<=', now - endKept).delete()
}

function chosen (db: Knex, node: string, keys: readonly StateKey[]): Knex.QueryBuilder {
  return db('alert_states').where({ node }).whereIn(['rule', 'uuid', 'type'], keys.map(({ rule, uuid, type }) => [rule, uuid, type]))
}

function inParts<Item> (items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
