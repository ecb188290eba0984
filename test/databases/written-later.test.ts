import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import { databases, onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'
import { now, open } from './writing-process.ts'

const second = 1_000

/** A store that writes everything at once. */
function openAtOnce (t: TestContext, { options }: OpenDatabase): Store {
  const { pending: _, ...dialect } = dialectOf(options)
  const store = new Store(dialect, { instance: 'test' })
  t.after(() => store.close())
  return store
}

const said = fc.record({
  agent: fc.nat(2),
  topic: fc.constantFrom('agent/connected', 'agent/message', 'agent/message', 'agent/message', 'agent/message', 'agent/message', 'agent/disconnected'),
  isTimed: fc.boolean(),
  time: fc.nat(60),
  late: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(90), fc.constant(7_200)),
  elsewhere: fc.oneof(fc.constant(false), fc.constant(false), fc.constant(false), fc.boolean()),
  types: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
  value: fc.oneof(fc.integer(), fc.constant(-0), fc.constant(true), fc.constantFrom('', 'text', 'x'.repeat(300))),
  isAgain: fc.nat(9).map(n => n === 0)
})

/** Messages that are stored together, and what comes after them. */
const rounds = fc.array(fc.record({
  batch: fc.array(said, { minLength: 1, maxLength: 5 }),
  then: fc.constantFrom('nothing', 'nothing', 'nothing', 'nothing', 'ask', 'ask agents', 'settle', 'silence', 'forget')
}), { minLength: 1, maxLength: 25 })

onEachDatabase('whatever is said and asked, series and agents are as if everything were written at once', async (t, database) => {
  const stores = [open(t, database).store, openAtOnce(t, await (databases.find(({ name }) => name === database.name) as typeof databases[number]).open(t))] as const
  // What is old a server's store writes at once.
  const base = 'filename' in database.options ? now : Date.now() - 60_000
  const [run, tables] = [{ count: 0 }, ['agents', 'series'] as const]
  const rowsOf = async (store: Store, asked: readonly string[] = tables): Promise<unknown> => {
    const knex = await store.read(asked === tables ? 'newest' : 'agents')
    return await Promise.all(asked.map(async table => (await knex(table).orderBy('id')).map(({ created_at: _, updated_at: __, ...row }) => row)))
  }
  await fc.assert(fc.asyncProperty(rounds, async all => {
    run.count++
    let clock = base
    let seq = 0
    const before: Array<{ topic: string, payload: Record<string, unknown> }> = []
    for (const { batch, then } of all) {
      clock += 700
      const messages = batch.map(({ agent, topic, isTimed, time, late, elsewhere, types, value, isAgain }) => {
        const again = isAgain ? before.at(-1 - time % Math.max(1, before.length)) : undefined
        const timestamp = clock + (time - late) * second
        const own = topic === 'agent/message' ? { timestamp, seq: seq++, metrics: types.map(type => ({ type, value })) } : isTimed ? { timestamp } : {}
        const one = again ?? { topic, payload: { agent: { uuid: `${run.count}-${agent}` }, ...own } }
        if (again === undefined) before.push(one)
        return { ...one, at: clock + time, elsewhere }
      })
      await Promise.all(stores.map(store => Promise.all(messages.map(({ topic, payload, at, elsewhere }) => new Promise<void>((resolve, reject) => {
        store.write(message(topic, payload), at, error => { if (error === null) resolve(); else reject(error) }, undefined, undefined, { elsewhere })
      })))))
      if (then === 'ask') assert.deepEqual(await rowsOf(stores[0]), await rowsOf(stores[1]))
      if (then === 'ask agents') assert.deepEqual(await rowsOf(stores[0], ['agents']), await rowsOf(stores[1], ['agents']))
      if (then === 'silence') {
        const own = seq % 2 === 0 ? undefined : { intervals: 2, ready: 1e9, unknown: true }
        const [one, two] = await Promise.all(stores.map(store => store.disconnectSilent(clock - 2 * second, {}, own)))
        assert.deepEqual(one?.toSorted(), two?.toSorted())
      }
      if (then === 'forget') for (const store of stores) await store.removeAgent(`${run.count}-${seq % 3}`)
      if (then === 'settle') {
        for (const store of stores) {
          for (let i = 0; i < 4; i++) await store.run(async knex => await store.settling?.step(knex, 0, { before: clock - 3 * second, size: 5 }) ?? false)
        }
      }
    }
    assert.deepEqual(await rowsOf(stores[0]), await rowsOf(stores[1]))
  }), { numRuns: 'filename' in database.options ? 40 : 15 })
})
