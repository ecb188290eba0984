import type { Knex } from 'knex'
import { reasonOf } from '../../../errors.ts'
import type { Additions, MessageRow } from '../dialect.ts'
import { settledTo, type Blocks } from './blocks.ts'
import { mayBeThere } from './errors.ts'
import { addAll, blocksChanged, existingMessages, jsonOf, jsonOfIncoming, jsonOfNewest, keyOfMessage } from './statements.ts'

/** Messages by where they are written. */
interface Routes {
  incoming: MessageRow[]
  /** The ids of their agents. */
  agents: number[]
  settled: MessageRow[]
}

/** Changes of the blocks by other processes that may come between reading them and writing. */
const mostAttempts = 5

/**
 * Add a batch in one statement.
 * @throws mayBeThere where the database has to be asked first what is there; or what SQLite says
 */
export async function append (db: Knex, blocks: Blocks, additions: Additions): Promise<void> {
  const { latest, seen, dirtyHours, writer } = additions
  const rest = [jsonOfNewest(latest), JSON.stringify(seen), JSON.stringify(dirtyHours), writer?.id ?? null, writer?.beat ?? null]
  for (let attempt = 1; ; attempt++) {
    const { incoming, agents, settled } = await routes(db, blocks, additions)
    try {
      await db.raw(addAll, [jsonOfIncoming(incoming, agents), jsonOf(settled), ...rest, blocks.version ?? null] as string[])
      blocks.added(incoming, agents)
      return
    } catch (error) {
      if (!reasonOf(error).includes(blocksChanged) || attempt === mostAttempts) throw error
      blocks.forget()
    }
  }
}

/** Metrics by themselves, and messages from before what is settled, are written where they stay. */
async function routes (db: Knex, blocks: Blocks, { messages, agents, isChecked = false }: Additions): Promise<Routes> {
  if (agents === undefined) return { incoming: [], agents: [], settled: messages }
  if (blocks.version === undefined || agents.some(agent => blocks.of(agent) === undefined)) await blocks.load(db)
  const there = isChecked ? await messagesThere(db, messages, agents) : new Set<string>()
  const routes: Routes = { incoming: [], agents: [], settled: [] }
  for (const [i, row] of messages.entries()) {
    const agent = agents[i] as number
    const block = blocks.of(agent)
    // An agent that was forgotten since: its metrics belong to nobody.
    const isSettled = block === undefined || row[0] < settledTo(block, agent)
    if (isSettled) {
      routes.settled.push(row)
      continue
    }
    if (isChecked) {
      // Another part of the message is there: the two cannot be one row.
      const key = keyOfMessage(row, agent)
      if (there.has(key)) {
        routes.settled.push(row)
        continue
      }
      there.add(key)
    } else if (row[0] <= block.directTo) throw mayBeThere
    routes.incoming.push(row)
    routes.agents.push(agent)
  }
  return routes
}

async function messagesThere (db: Knex, messages: MessageRow[], agents: number[]): Promise<Set<string>> {
  const found = await db.raw(existingMessages, [jsonOfIncoming(messages.map(([ts, seq]) => [ts, seq, 0, 0]), agents)]) as Array<{ key: string }>
  return new Set(found.map(({ key }) => key))
}
