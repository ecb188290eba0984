import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store, type Stored, type StoreState } from '../../lib/store/store.ts'
import type { OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

export const now = 1_700_000_000_000

/** A process that writes to the database. */
export function open (t: TestContext, { options }: Pick<OpenDatabase, 'options'>, instance = 'test') {
  const store = new Store(dialectOf(options), { instance })
  t.after(() => store.close())
  const states: StoreState[] = []
  store.on('state', state => { states.push(state) })
  const write = (topic: string, payload: unknown, at = now, elsewhere = false) => new Promise<Stored>((resolve, reject) => {
    store.write(message(topic, payload), at, (error, result) => { if (result === undefined) reject(error as Error); else resolve(result) }, undefined, undefined, { elsewhere })
  })
  return { store, states, write }
}

export async function count (query: Knex, table: string): Promise<number> {
  return (await query(table).count({ n: '*' }).first())?.n as number
}
