import assert from 'node:assert/strict'
import type { Knex } from 'knex'
import { OwnerMissing, Ownership } from '../../lib/alerts/ownership.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { kindOf } from '../../lib/store/dialects/database-kind.ts'
import { Store } from '../../lib/store/store.ts'
import { onEachDatabase } from '../helpers/databases.ts'

onEachDatabase('alerts go to another process once the owner gave no sign of life for 90 seconds, and at once to one that starts where it ran', async (t, { options }) => {
  const store = new Store(dialectOf(options), { instance: 'here', home: 'here' })
  t.after(() => store.close())
  const transact = <Result> (work: (db: Knex) => Promise<Result>): Promise<Result> => store.run(knex => kindOf(knex).transact(knex, work))
  const real = performance.now.bind(performance)
  let later = 0
  t.mock.method(performance, 'now', () => real() + later)
  const [one, two] = [new Ownership('node', 'here'), new Ownership('node', 'there')]
  assert.equal(await transact(db => one.take(db)), true)
  assert.equal(await transact(db => two.take(db)), false)
  later += 80_000
  await transact(db => one.confirm(db))
  assert.equal(await transact(db => two.take(db)), false)
  later += 85_000
  assert.equal(await transact(db => two.take(db)), false, 'it lived 85 seconds ago')
  later += 10_000
  assert.equal(await transact(db => two.take(db)), true)
  await assert.rejects(transact(db => one.confirm(db)), ({ cause }: Error) => cause instanceof OwnerMissing)
  await transact(db => two.confirm(db))

  const three = new Ownership('node', 'there')
  assert.equal(await transact(db => three.take(db)), true, 'the one that ran there is gone')
  // If it is not, the two do not take it from each other again and again.
  assert.equal(await transact(db => two.take(db)), false)
  await transact(db => two.leave(db))
  await transact(db => three.confirm(db))
  await transact(db => three.leave(db))
  assert.equal(await transact(db => two.take(db)), true)
  // It could not begin, and tries again.
  for (let i = 0; i < 3; i++) assert.equal(await transact(db => two.take(db)), true)
})

onEachDatabase('of processes that start at once one takes care of the alerts', async (t, { options }) => {
  const stores = ['here', 'there'].map(home => new Store(dialectOf(options), { instance: home, home }))
  t.after(() => Promise.all(stores.map(store => store.close())))
  for (const store of stores) await store.read('metrics')
  for (let i = 0; i < 20; i++) {
    const taken = await Promise.all(stores.map((store, place) => store.run(knex => kindOf(knex).transact(knex, db => new Ownership(`node ${i}`, `home ${place}`).take(db)))))
    assert.deepEqual(taken.toSorted(), [false, true])
  }
})
