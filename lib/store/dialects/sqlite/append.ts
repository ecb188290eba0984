import type { Knex } from 'knex'
import { reasonOf } from '../../../errors.ts'
import type { Additions, MessageRow } from '../dialect.ts'
import { otherNewest, seriesIn } from '../metric-columns.ts'
import { haveTwice, rowsOfFew, type Arrived } from './arrived.ts'
import { settledTo, type Blocks } from './blocks.ts'
import { mayBeThere } from './errors.ts'
import { PendingRows } from './pending.ts'
import { addAll, blocksChanged, jsonOf, jsonOfIncoming, jsonOfNewest, notAlone, rowTaken } from './statements.ts'

/** Messages by where they are written. */
interface Routes {
  incoming: MessageRow[]
  /** The ids of their agents. */
  agents: number[]
  settled: MessageRow[]
}

/** Changes by other processes that may come between reading what is there and writing. */
const mostAttempts = 5

/** What a connection knows of the database, and what it keeps back. */
interface Knowledge { blocks: Blocks, arrived: Arrived, pending: PendingRows }

/**
 * Add a batch in one statement.
 * @throws mayBeThere where the database has to be asked first what is there; or what SQLite says
 */
export async function append (db: Knex, { blocks, arrived, pending }: Knowledge, additions: Additions): Promise<void> {
  const { dirtyHours, writer, later, isChecked = false } = additions
  const written = seriesIn(additions.latest)
  for (let attempt = 1; ; attempt++) {
    const { incoming, agents, settled } = await routes(db, blocks, additions)
    if (incoming.length > 0 && !arrived.isKnown) await arrived.load(db)
    const waits = later !== undefined && pending.isAlone && (later.hasNewest || later.seen.length > 0)
    if (later !== undefined && !pending.isAlone && pending.isThere && writer !== undefined) await pending.join(db, writer)
    const latest = later === undefined ? additions.latest : [...additions.latest, ...otherNewest(waits ? PendingRows.notWaiting(incoming, settled) : additions.messages, written)]
    const seen = [...additions.seen, ...waits ? [] : later?.seen ?? []]
    // Of a message that was looked up another part may be in its block, and what is there stays; otherwise its key shows that it comes again.
    const few = writer === undefined || !pending.isAlone || isChecked ? undefined : rowsOfFew(incoming, agents)
    if (!isChecked && (arrived.hasSome(incoming, agents) || (few !== undefined && haveTwice(few)))) throw mayBeThere
    const isFull = few !== undefined && !await hasRoom(db, arrived, few.length)
    try {
      if (isFull) arrived.emptied()
      const given = few === undefined ? jsonOfIncoming(incoming, agents) : null
      const [added, merged] = isChecked ? [null, given] : [given, null]
      await db.raw(addAll, [
        added, merged, jsonOf(settled), jsonOfNewest(latest), JSON.stringify(seen), JSON.stringify(dirtyHours),
        writer?.id ?? null, writer?.beat ?? null, blocks.version ?? null, waits ? JSON.stringify(PendingRows.marks(incoming, agents)) : null,
        few === undefined ? null : arrived.take(few), Number(isFull)
      ] as string[])
      blocks.added(incoming, agents)
      if (few !== undefined) arrived.added(incoming, agents)
      // That its rows are free is so only if this is committed.
      if (isFull && db.isTransaction === true) arrived.forget()
      if (waits) pending.add({ ...later, messages: incoming, agents, written }, db.isTransaction !== true)
      return
    } catch (error) {
      arrived.forget()
      const reason = reasonOf(error)
      if (attempt === mostAttempts) throw error
      if (reason.includes(blocksChanged)) blocks.forget()
      else if (reason.includes(notAlone) && writer !== undefined) await pending.join(db, writer)
      else if (!reason.includes(rowTaken)) throw error
    }
  }
}

/** Rows of messages that were settled meanwhile are free again. */
async function hasRoom (db: Knex, arrived: Arrived, rows: number): Promise<boolean> {
  if (arrived.hasRoomFor(rows)) return true
  await arrived.load(db)
  return arrived.hasRoomFor(rows)
}

/** Metrics by themselves, and messages from before what is settled, are written where they stay. */
async function routes (db: Knex, blocks: Blocks, { messages, agents, isChecked = false }: Additions): Promise<Routes> {
  if (agents === undefined) return { incoming: [], agents: [], settled: messages }
  if (blocks.version === undefined || agents.some(agent => blocks.of(agent) === undefined)) await blocks.load(db)
  const settled = new Set<MessageRow>()
  for (const [i, row] of messages.entries()) {
    const agent = agents[i] as number
    const block = blocks.of(agent)
    // An agent that was forgotten since: its metrics belong to nobody.
    if (block === undefined || row[0] < settledTo(block, agent)) settled.add(row)
    else if (!isChecked && row[0] <= block.directTo) throw mayBeThere
  }
  if (settled.size === 0) return { incoming: messages, agents, settled: [] }
  const isIncoming = (row: MessageRow): boolean => !settled.has(row)
  return { incoming: messages.filter(isIncoming), agents: agents.filter((_, i) => isIncoming(messages[i] as MessageRow)), settled: [...settled] }
}
