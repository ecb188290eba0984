import type { Knex } from 'knex'
import { reasonOf } from '../../../errors.ts'
import { kindOf } from '../database-kind.ts'
import type { Settling } from '../dialect.ts'
import type { Arrived } from './arrived.ts'
import { agentsPerBlock, newVersion, readBlocks, seriesPerPart, takeBlock, writeBlock, type Block, type Blocks, type Held } from './blocks.ts'
import type { PendingRows } from './pending.ts'
import { blocksChanged, moveSome } from './statements.ts'

/**
 * Messages of an agent that a block may hold, on average, before it is settled: written together, their metrics fill pages of their own. More
 * would make looking for one agent's take longer.
 */
const mostPerAgent = 320
/** What may be in any block: to read so much takes milliseconds, and to move less is hardly worth the step. */
const least = 2_000
/** What may be in a block of which all agents report. */
const most = { messages: 40_000, metrics: 400_000 }
/** The part of a block's messages that stays, beside those that are ahead of time: those that come late find it, and are as cheap as others. */
const kept = 1 / 8
/** Most messages that are moved before they are removed: each step looks through all of them for its agents'. */
const movedTogether = most.messages * (1 - kept)
/** Bytes of a metric in a message, about. */
const metricBytes = 20
/** Messages are removed faster than they are moved. */
const removedAtOnce = 8

/** How many messages of each agent there were to move, in the order of their ids; `movingTo` tells in which move. */
interface Plan { movingTo: number, agents: Array<{ agent: number, messages: number }> }

/**
 * A block is settled agent by agent: an agent's messages are copied, and from then on looked for there. Once that is done for all of the
 * block, the copied messages are removed, from the oldest on. Each step is one transaction, so that after a crash the next one goes on.
 */
export function settlingOf (blocks: Blocks, pending: PendingRows, arrived: Arrived): Settling {
  const plans = new Map<number, Plan>()
  const fullness = (block: number): number => {
    const { messages, metrics } = blocks.held(block)
    return Math.max(messages / most.messages, metrics / most.metrics)
  }
  return {
    fullness,
    added: block => blocks.held(block).added,
    due: () => [...new Set([...arrived.due(), ...blocks.filled().filter(block => {
      const { messages, metrics, agents } = blocks.held(block)
      return messages > Math.max(least, agents.size * mostPerAgent) || metrics > most.metrics
    })])],

    async count (db) {
      for (const { block } of await readBlocks(db)) blocks.holds(block, await heldIn(db, block, Date.now()))
    },

    blocksBefore: async (db, before) => (await readBlocks(db)).filter(block => block.settledTo < before).map(({ block }) => block),

    async step (db, number, options) {
      if (blocks.version === undefined) await blocks.load(db)
      const known = blocks.block(number)
      const size = Math.ceil(options.size / metricsOf(blocks.held(number)))
      if (known !== undefined && isMoving(known)) return await move(db, blocks, known, size, plans)
      return await kindOf(db).transact(db, async db => {
        // Whatever becomes of the transaction, what is remembered may be wrong after it.
        blocks.forget()
        const block = await takeBlock(db, number)
        if (block === undefined) return false
        if (block.movingTo === block.settledTo) return await begin(db, block, options.before ?? await whereMostEnd(db, block, blocks))
        // Another process began.
        if (isMoving(block)) return true
        plans.delete(number)
        const { removed, isDone } = await remove(db, block, size * removedAtOnce, pending)
        blocks.removed(number, removed)
        if (isDone) arrived.forget()
        return !isDone
      })
    }
  }
}

const isMoving = (block: Block): boolean => block.movingTo !== block.settledTo && block.nextAgent < endOf(block)

/** Metrics in a row, about. */
const metricsOf = ({ messages, metrics }: Held): number => Math.min(seriesPerPart, Math.max(1, metrics / Math.max(1, messages)))

const startOf = ({ block }: Block): number => block * agentsPerBlock
const endOf = (block: Block): number => startOf(block) + agentsPerBlock

/** What is in a block from before a time. */
async function heldIn (db: Knex, block: number, before: number): Promise<Held> {
  const rows = await db('metrics_unsettled').where({ block }).where('ts', '<', before).groupBy('agent_id')
    .select<Array<{ agent: number, messages: number, metrics: number }>>({ agent: 'agent_id' }, db.raw('count(*) as messages'), db.raw(`sum(length(metrics)) / ${metricBytes} as metrics`))
  const sum = (key: 'messages' | 'metrics'): number => rows.reduce((sum, row) => sum + row[key], 0)
  return { messages: sum('messages'), metrics: sum('metrics'), added: 0, agents: new Set(rows.map(({ agent }) => agent)) }
}

/** @returns whether there is anything to move */
async function begin (db: Knex, block: Block, movingTo: number): Promise<boolean> {
  if (movingTo <= block.settledTo) return false
  await writeBlock(db, block.block, { movingTo, nextAgent: startOf(block), nextTs: block.settledTo })
  return true
}

/**
 * Where most of a block's messages end, or the first of them if there are very many. What is ahead of time stays until its time has come:
 * moved past it, the block would take all that comes until then for late.
 */
async function whereMostEnd (db: Knex, { block, settledTo }: Block, blocks: Blocks): Promise<number> {
  const now = Date.now()
  const { messages } = blocks.held(block)
  const past = db('metrics_unsettled').where({ block }).where('ts', '<', now).limit(1)
  const next = messages > 2 * most.messages ? past.orderBy('ts').offset(movedTogether) : past.orderBy('ts', 'desc').offset(Math.floor(messages * kept))
  const row = await next.first<{ ts: number } | undefined>('ts')
  // Most of what was counted is ahead of time, or not there any more: without this, the block would be looked into again and again.
  if (row === undefined) blocks.holds(block, await heldIn(db, block, now))
  // Very many may have the same time.
  return row === undefined ? settledTo : Math.max(row.ts, settledTo + 1)
}

/** One statement: while it waited for one after the other, SQLite's thread would have nothing to do. */
async function move (db: Knex, blocks: Blocks, block: Block, size: number, plans: Map<number, Plan>): Promise<true> {
  const { nextAgent } = block
  const plan = plans.get(block.block)
  if (plan?.movingTo !== block.movingTo) {
    plans.set(block.block, await planFor(db, block))
    return true
  }
  const agents = plan.agents.filter(({ agent }) => agent >= nextAgent)
  const [first] = agents
  if (first !== undefined && first.agent === nextAgent && first.messages > size * 1.5) {
    const to = await endOfSome(db, block, { agent: nextAgent, from: block.nextTs, count: size })
    await copy(db, blocks, block, { end: nextAgent + 1, to, next: to < block.movingTo ? { nextAgent, nextTs: to } : { nextAgent: nextAgent + 1, nextTs: block.settledTo } })
    return true
  }
  // All of them up to the first that is too many, those too that came since the plan was made.
  let messages = 0
  const beyond = agents.find(({ agent, messages: its }) => (messages += its) > size && agent > nextAgent)
  const end = beyond?.agent ?? endOf(block)
  await copy(db, blocks, block, { end, to: block.movingTo, next: { nextAgent: end, nextTs: block.settledTo } })
  return true
}

/** How many messages each agent has to be moved, about: it only tells how much is done in one step. */
async function planFor (db: Knex, { block, settledTo, movingTo }: Block): Promise<Plan> {
  const agents = await db('metrics_unsettled').where({ block }).where('ts', '>=', settledTo).where('ts', '<', movingTo)
    .groupBy('agent_id').orderBy('agent_id').select({ agent: 'agent_id' }).count({ messages: '*' }) as Plan['agents']
  return { movingTo, agents }
}

/** Where about so many of an agent's messages end. */
async function endOfSome (db: Knex, { block, movingTo }: Block, { agent, from, count }: { agent: number, from: number, count: number }): Promise<number> {
  const next = await db('metrics_unsettled').where({ block, agent_id: agent }).where('ts', '>=', from).where('ts', '<', movingTo)
    .orderBy('ts').limit(1).offset(count).first<{ ts: number } | undefined>('ts')
  return next === undefined ? movingTo : Math.max(next.ts, from + 1)
}

/** Copy the messages of the agents from the next one to before `end`, up to a time, unless another process changed the blocks. */
async function copy (db: Knex, blocks: Blocks, { block, settledTo, nextAgent, nextTs }: Block, { end, to, next }: { end: number, to: number, next: Pick<Block, 'nextAgent' | 'nextTs'> }): Promise<void> {
  const version = newVersion()
  const from = end === nextAgent + 1 ? nextTs : settledTo
  try {
    await db.raw(moveSome, [block, blocks.version ?? null, version, from, to, nextAgent, end, nextTs, settledTo, next.nextAgent, next.nextTs] as string[])
    blocks.moved(block, next, version)
  } catch (error) {
    blocks.forget()
    if (!reasonOf(error).includes(blocksChanged)) throw error
  }
}

/** Remove what was copied, from the oldest on; what arrived stays until its row is used again. @returns how much, and whether nothing of it is left */
async function remove (db: Knex, { block, settledTo, movingTo }: Block, count: number, pending: PendingRows): Promise<{ removed: number, isDone: boolean }> {
  const ofBlock = (): Knex.QueryBuilder => db('metrics_incoming').where({ block }).orderBy('ts').limit(1)
  const oldest = await ofBlock().first<{ ts: number } | undefined>('ts')
  const next = await ofBlock().offset(count).first<{ ts: number } | undefined>('ts')
  const end = Math.min(movingTo, Math.max(next?.ts ?? movingTo, (oldest?.ts ?? 0) + 1))
  await pending.beforeRemoval(db, block, end)
  const removed = await db('metrics_incoming').where({ block }).where('ts', '<', end).delete()
  if (end < movingTo) return { removed, isDone: false }
  const [passed] = await db('metrics_arrived').where({ block }).where('ts', '>=', settledTo).where('ts', '<', movingTo).count({ n: '*' }) as Array<{ n: number }>
  await writeBlock(db, block, { settledTo: movingTo, nextAgent: 0, nextTs: 0 })
  return { removed: removed + (passed?.n ?? 0), isDone: true }
}
