import type { Knex } from 'knex'
import type { MessageRow } from '../dialect.ts'
import { negativeZero } from '../metric-columns.ts'

/** Agents whose messages lie side by side until they are settled. More of them fill pages better; looking for one agent's takes longer. */
export const agentsPerBlock = 128

/** A message is kept in parts, by the ids of its series: who looks for one of them does not read thousands of others. */
export const seriesPerPart = 64

/** Whether a message has not been settled, by its block `b`: settled ones stay until all of the block are. */
export const isVisible = (from: string): string => `${from}.ts >= case when ${from}.agent_id < b.next_agent then b.moving_to when ${from}.agent_id = b.next_agent then b.next_ts else b.settled_to end`

/** The columns `value` and `text` of a metric in JSON, of which SQLite says what kind it is. */
export const valueColumns = (value: string, kind: string): string => `iif(${kind} = 'text', null, ${value}), case ${kind} when 'text' then ${value} when 'false' then '${negativeZero}' end`

/** A row of metrics_blocks; times are UTC ms. */
export interface Block {
  block: number
  /** All messages before it are settled, and those that come late are written there at once. */
  settledTo: number
  /** Where `settledTo` is being moved to: that is done for agents before `nextAgent`, and for that one up to `nextTs`. */
  movingTo: number
  nextAgent: number
  nextTs: number
  /** Where metrics are settled that nothing was moved past, this is the newest; −1 if there is none. */
  directTo: number
}

/** From when on an agent's messages are not settled. */
export function settledTo ({ settledTo, movingTo, nextAgent, nextTs }: Block, agentId: number): number {
  return agentId < nextAgent ? movingTo : agentId === nextAgent ? nextTs : settledTo
}

const columns = { block: 'block', settledTo: 'settled_to', movingTo: 'moving_to', nextAgent: 'next_agent', nextTs: 'next_ts', directTo: 'direct_to' }

export async function readBlocks (db: Knex): Promise<Block[]> {
  return await db('metrics_blocks').orderBy('block').select<Block[]>(columns)
}

/** A block that nobody else changes until the transaction ends. Whoever reads first, and writes then, does not wait for another process that writes: it fails. */
export async function takeBlock (db: Knex, block: number): Promise<Block | undefined> {
  const [taken] = await db.raw(`update metrics_blocks set block = block where block = ? returning ${Object.entries(columns).map(([name, column]) => `${column} as "${name}"`).join(', ')}`, [block]) as Block[]
  return taken
}

/** Write what changed. */
export async function writeBlock (db: Knex, block: number, changes: Partial<Block>): Promise<void> {
  await db('metrics_blocks').where({ block }).update(Object.fromEntries(Object.entries(changes).map(([name, value]) => [columns[name as keyof Block], value])))
}

export function newVersion (): string {
  return String(Math.floor(Math.random() * Number.MAX_SAFE_INTEGER))
}

/** How many messages and metrics are in a block and not settled. */
export interface Held {
  /** A message in several parts counts as several. */
  messages: number
  metrics: number
  /** Metrics that came into the block since this process began. */
  added: number
  /** The ids of the agents that sent them, and of some that have sent before. */
  agents: Set<number>
}

/** The blocks as a connection knows them. Another process may change them, which `version` shows. */
export class Blocks {
  #blocks = new Map<number, Block>()
  #version: number | string | undefined
  #held = new Map<number, Held>()

  /** What the database has to have for this to be true; undefined: nothing is known. */
  get version (): number | string | undefined { return this.#version }

  async load (db: Knex): Promise<void> {
    // As text: it takes all 64 bits. In one statement, which sees one moment.
    const blocks = db('metrics_blocks').select(db.raw(`json_group_array(json_array(${Object.values(columns).join(', ')}))`)).as('blocks')
    const [state] = await db('metrics_state').select(db.raw('cast(version as text) as version'), blocks) as Array<{ version: string, blocks: string }>
    const names = Object.keys(columns)
    const rows = JSON.parse(state?.blocks ?? '[]') as number[][]
    this.#blocks = new Map(rows.map(row => Object.fromEntries(names.map((name, i) => [name, row[i]])) as unknown as Block).map(block => [block.block, block]))
    this.#version = state?.version
  }

  block (block: number): Block | undefined {
    return this.#blocks.get(block)
  }

  /** Some of a block's messages were moved, and with that the version changed. */
  moved (block: number, next: Pick<Block, 'nextAgent' | 'nextTs'>, version: string): void {
    const known = this.#blocks.get(block)
    if (known !== undefined) this.#blocks.set(block, { ...known, ...next })
    this.#version = version
  }

  /** The block of an agent; undefined if the agent is newer than what is known. */
  of (agentId: number): Block | undefined {
    return this.#blocks.get(Math.floor(agentId / agentsPerBlock))
  }

  forget (): void {
    this.#version = undefined
  }

  /** Messages were written into their blocks. */
  added (messages: MessageRow[], agents: number[]): void {
    for (let i = 0; i < agents.length; i++) {
      const agent = agents[i] as number
      const held = this.held(Math.floor(agent / agentsPerBlock))
      const row = messages[i] as MessageRow
      held.messages += partsOf(row)
      held.metrics += (row.length - 2) / 2
      held.added += (row.length - 2) / 2
      held.agents.add(agent)
    }
  }

  /** The blocks that are known to hold something. */
  filled (): number[] {
    return [...this.#held.keys()]
  }

  /** What a block holds, as far as it is known. */
  held (block: number): Held {
    let held = this.#held.get(block)
    if (held === undefined) this.#held.set(block, held = { messages: 0, metrics: 0, added: 0, agents: new Set() })
    return held
  }

  /** Messages were settled, and their rows removed. */
  removed (block: number, count: number): void {
    const held = this.held(block)
    const left = Math.max(0, held.messages - count)
    held.metrics = held.messages === 0 ? 0 : held.metrics * left / held.messages
    held.messages = left
  }

  /** This is what a block holds. */
  holds (block: number, held: Held): void {
    this.#held.set(block, { ...held, added: this.held(block).added })
  }
}

function partsOf (row: MessageRow): number {
  const partOf = (i: number): number => Math.floor(row[i] as number / seriesPerPart)
  // Most messages have one, which needs no set.
  let parts: Set<number> | undefined
  for (let i = 4; i < row.length; i += 2) if (partOf(i) !== partOf(i - 2)) (parts ??= new Set([partOf(2)])).add(partOf(i))
  return parts?.size ?? 1
}
