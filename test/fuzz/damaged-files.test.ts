import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { limitDefaults } from '../../lib/broker/limits.ts'
import { openPersistence } from '../../lib/broker/persistence/persistence.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { parseQuery } from '../../lib/query/parse.ts'
import { ask } from '../../lib/query/ask.ts'
import { openSqlite } from '../../lib/sqlite/open-sqlite.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message } from '../helpers/messages.ts'
import { connect, leaveSession, openBroker } from '../helpers/persistent-broker.ts'
import { holds } from './fuzz.ts'
import { anything, share } from './json.ts'

// Files that a disk, a copy or somebody damaged: they are read, or refused by an error with a code, and the process goes on.

const uncaught: unknown[] = []
const note = (error: unknown): void => { uncaught.push(error) }
before(() => { process.on('uncaughtException', note).on('unhandledRejection', note) })
after(() => { process.off('uncaughtException', note).off('unhandledRejection', note) })

type Damage = { kind: 'bytes', places: Array<[share: number, byte: number]> } | { kind: 'cut' | 'zeros', from: number, bytes: number }
const damages: Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('bytes' as const), places: fc.array(fc.tuple(fc.oneof(share, share.map(at => at / 50)), fc.nat(255)), { minLength: 1, maxLength: 8 }) }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'zeros' as const), from: share, bytes: fc.constantFrom(1, 512, 4_096, 1_000_000) })
)

function damaged (bytes: Buffer, damage: Damage): Buffer {
  const result = Buffer.from(bytes)
  const at = (share: number): number => Math.floor(share * (result.length - 1))
  if (damage.kind === 'bytes') for (const [share, byte] of damage.places) result[at(share)] = byte
  else if (damage.kind === 'zeros') result.fill(0, at(damage.from), Math.min(result.length, at(damage.from) + damage.bytes))
  else return Buffer.concat([result.subarray(0, at(damage.from)), result.subarray(at(damage.from) + damage.bytes)])
  return result
}

/** A folder as a broker leaves it, with retained messages, sessions and what waits for them. */
async function brokerFolder (t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  const broker = await openBroker(t, { folder })
  await leaveSession(t, broker.port, 'away', ['a/#', 'b'], 1)
  const client = await connect(t, broker.port)
  for (let i = 0; i < 30; i++) await client.publishAsync(`a/${i}`, `payload ${i}`, { qos: 1, retain: i % 2 === 0 })
  await client.endAsync()
  await broker.close()
  return folder
}

async function opensOrSays (folder: string): Promise<'opened' | 'less' | 'refused'> {
  try {
    const persistence = await openPersistence({ folder, limits: limitDefaults })
    const { retained } = persistence.counters
    await persistence.close()
    return retained < 15 ? 'less' : 'opened'
  } catch (error) {
    assert.ok(error instanceof PlatziverseError && /^BROKER_FOLDER_/.test(error.code), error as Error)
    return 'refused'
  }
}

test('a damaged folder of a broker opens, or is refused with a code', async t => {
  const sound = await readFile(join(await brokerFolder(t), 'broker.sqlite'))
  const results = { opened: 0, less: 0, refused: 0 }
  const folder = await temporaryFolder(t)
  let number = 0
  await holds(t, fc.asyncProperty(damages, async damage => {
    const place = join(folder, String(number++))
    await mkdir(place)
    const file = damaged(sound, damage)
    await writeFile(join(place, 'broker.sqlite'), file)
    // An empty file is what SQLite itself makes first.
    const result = await opensOrSays(place)
    assert.ok(result !== 'less' || file.length === 0 || damage.kind === 'bytes', 'messages were lost, and nobody was told')
    results[result]++
    assert.deepEqual(uncaught.splice(0), [])
  }), 60)
  t.diagnostic(JSON.stringify(results))
})

test('a record of a broker\'s folder that says anything is refused with a code, or left', async t => {
  const source = await brokerFolder(t)
  const folder = await temporaryFolder(t)
  let number = 0
  const members = fc.constantFrom('client', 'content', 'subscription', 'message', 'messageId', 'qos', 'sum', 'away', 'owner', 'uuid', 'username', 'topic', 'payload', 'filter')
  const kinds = fc.constantFrom('retained', 'session', 'subscription', 'queued', 'will', 'agent', 'received', 'message', 'released', 'x')
  const record = fc.oneof(
    fc.tuple(kinds, fc.dictionary(members, fc.oneof(fc.constantFrom<unknown[]>('away', 'a', 1, 0, 2, true, null, [], {}), anything.map(({ value }) => value)), { maxKeys: 6 })).map(([kind, others]) => JSON.stringify({ ...others, kind })),
    anything.map(({ text }) => text)
  )
  await holds(t, fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 3 }), async records => {
    const place = join(folder, String(number++))
    await mkdir(place)
    await copyFile(join(source, 'broker.sqlite'), join(place, 'broker.sqlite'))
    const knex = await openSqlite(join(place, 'broker.sqlite'), 1, () => [])
    for (const [i, text] of records.entries()) await knex.raw('insert into records values (?, ?)', [1_000_000 + i, text])
    await knex.destroy()
    await opensOrSays(place)
    assert.deepEqual(uncaught.splice(0), [])
  }), 60)
})

test('a damaged SQLite database answers and stores, or says with a code why not', async t => {
  const folder = await temporaryFolder(t)
  const filename = join(folder, 'sound.sqlite')
  const write = (store: Store, seq: number): Promise<void> => new Promise((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid: `a${seq % 5}` }, metrics: [{ type: 't', value: seq }], timestamp: 1_700_000_000_000 + seq, seq }), 1_700_000_000_000, error => { if (error === null) resolve(); else reject(error) })
  })
  const first = new Store(dialectOf({ client: 'sqlite', filename }), { instance: 'test' })
  for (let i = 0; i < 200; i++) await write(first, i)
  await first.close()
  const sound = await readFile(filename)
  let number = 0
  await holds(t, fc.asyncProperty(damages, async damage => {
    const place = join(folder, `${number++}.sqlite`)
    await writeFile(place, damaged(sound, damage))
    const store = new Store(dialectOf({ client: 'sqlite', filename: place }), { instance: 'test' })
    const waits = new Promise<Error>(resolve => store.on('state', state => { if (state.state === 'waiting') resolve(state.error) }))
    const said = (error: unknown): void => { assert.ok(error instanceof PlatziverseError && /^(STORE|QUERY)_/.test(error.code), error as Error) }
    await Promise.race([write(store, 1_000).catch(said), waits.then(said)])
    try {
      if (store.state.state === 'ready') for await (const { payload } of ask(await store.read(), parseQuery({ query: 'series', uuid: 'a1', type: 't' }, 0), { result: 'objects', most: 1_000 })) assert.ok(Array.isArray(payload))
    } catch (error) {
      said(error)
    }
    await store.close()
    assert.deepEqual(uncaught.splice(0), [])
  }), 40)
})
