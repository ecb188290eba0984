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
import { Spool } from '../../lib/store/writer/spool.ts'
import { until } from '../helpers/events.ts'
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

type Damage = { kind: 'repeated', from: number, to: number } | { kind: 'bytes', places: Array<[share: number, byte: number]> } | { kind: 'cut' | 'zeros', from: number, bytes: number }
const damages: Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('repeated' as const), from: share, to: share }),
  fc.record({ kind: fc.constant('bytes' as const), places: fc.array(fc.tuple(fc.oneof(share, share.map(at => at / 50)), fc.nat(255)), { minLength: 1, maxLength: 8 }) }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'zeros' as const), from: share, bytes: fc.constantFrom(1, 512, 4_096, 1_000_000) })
)

function damaged (bytes: Buffer, damage: Damage): Buffer {
  const result = Buffer.from(bytes)
  const at = (share: number): number => Math.floor(share * (result.length - 1))
  if (damage.kind === 'bytes') for (const [share, byte] of damage.places) result[at(share)] = byte
  // A page in the place of another.
  else if (damage.kind === 'repeated') bytes.copy(result, at(damage.to) & ~4095, at(damage.from) & ~4095, (at(damage.from) & ~4095) + 4096)
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

/** Counts how often it said what is wrong. */
class WatchedSpool extends Spool {
  faults = 0

  override async first (count: number): ReturnType<Spool['first']> {
    return await super.first(count).catch((error: unknown) => { throw this.#note(error) })
  }

  override async remove (batch: Awaited<ReturnType<Spool['first']>>): Promise<void> {
    await super.remove(batch).catch((error: unknown) => { throw this.#note(error) })
  }

  #note (error: unknown): unknown {
    this.faults++
    return error
  }
}

const spooledMessages = 60

/** How the messages of a spool are found in the database. */
async function storedRows (store: Store): Promise<string[]> {
  const knex = await store.read()
  const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select<Array<Record<string, unknown>>>('uuid', 'type', 'ts', 'seq', 'value', 'text')
  return rows.map(({ uuid, type, ts, seq, value, text }) => JSON.stringify([uuid, type, ts, seq, value, text]))
}

/** The texts in a spool's file, as far as SQLite gives them; also those that were set aside. */
async function spooledIn (filename: string, folder: string): Promise<Set<string>> {
  const copy = join(folder, 'copy.sqlite')
  await copyFile(filename, copy)
  const texts = new Set<string>()
  const knex = await openSqlite(copy, 1, () => []).catch(() => undefined)
  for (const [table, where] of [['spool', ''], ['damaged', ''], ...Array.from({ length: spooledMessages }, (_, i) => ['spool', `where id = ${i + 1}`])]) {
    const rows: Array<{ entry: unknown }> = await knex?.raw(`select entry from ${table} ${where} order by id`).catch(() => []) ?? []
    for (const { entry } of rows) texts.add(String(entry))
  }
  await knex?.destroy()
  return texts
}

test('of a damaged spool what can be read is stored once, as it was, and what cannot is said and kept', async t => {
  const folder = await temporaryFolder(t)
  const source = new Spool({ filename: join(folder, 'sound.sqlite'), mostBytes: 1e7 })
  const expected = new Set<string>()
  for (let i = 0; i < spooledMessages; i++) {
    const [uuid, ts] = [`a${i % 3}`, 1_700_000_000_000 + i]
    const text = 'é'.repeat(i * 7)
    expected.add(JSON.stringify([uuid, 'n', ts, i, i / 3, null])).add(JSON.stringify([uuid, 't', ts, i, null, text]))
    await new Promise<void>((resolve, reject) => {
      source.add({ message: message('agent/message', { agent: { uuid }, metrics: [{ type: 'n', value: i / 3 }, { type: 't', value: text }], timestamp: ts, seq: i }), receivedAt: ts, seq: i }, error => { if (error === null) resolve(); else reject(error) })
    })
  }
  await source.close()
  const sound = await readFile(join(folder, 'sound.sqlite'))
  const originals = new Map([...await spooledIn(join(folder, 'sound.sqlite'), folder)].map((text, i) => [text, [...expected].slice(2 * i, 2 * i + 2)]))
  assert.equal(originals.size, spooledMessages)
  const results = { whole: 0, less: 0 }
  let number = 0
  await holds(t, fc.asyncProperty(damages, async damage => {
    const filename = join(folder, `spool-${number}.sqlite`)
    const file = damaged(sound, damage)
    await writeFile(filename, file)
    const readable = await spooledIn(filename, folder)
    const spool = new WatchedSpool({ filename, mostBytes: 1e7 })
    const store = new Store(dialectOf({ client: 'sqlite', filename: join(folder, `store-${number++}.sqlite`) }), { instance: 'test', spool, spoolPatience: 1 })
    const codes: string[] = []
    store.on('problem', ({ code }) => { codes.push(code) })
    // Each message that is damaged, or missing, is said on its own.
    await until(() => store.state.state === 'ready' && (spool.size === 0 || spool.faults > 2 * spooledMessages), isOver => isOver)
    await new Promise<void>((resolve, reject) => { store.write(message('agent/message', { agent: { uuid: 'last' }, metrics: [{ type: 'n', value: 1 }], timestamp: 1 }), 1, error => { if (error === null) resolve(); else reject(error) }) })
    const stored = (await storedRows(store)).filter(row => !row.startsWith('["last"'))
    assert.deepEqual(stored.filter(row => !expected.has(row)), [], 'a row is not what it was')
    assert.equal(new Set(stored).size, stored.length)
    const isLess = stored.length < expected.size
    results[isLess ? 'less' : 'whole']++
    // For SQLite less than a page is a new file, and a page in the place of another may be a good one with other messages.
    if (isLess && file.length >= 512 && damage.kind !== 'repeated') assert.ok(codes.includes('STORE_SPOOL_FAILED'), `${expected.size - stored.length} rows were lost, and nobody was told`)
    await store.close()
    const kept = await spooledIn(filename, folder)
    for (const [text, rows] of originals) if (readable.has(text) && !kept.has(text)) assert.ok(rows.every(row => stored.includes(row)), `neither stored nor kept: ${text}`)
    assert.deepEqual(uncaught.splice(0), [])
  }), 12)
  t.diagnostic(JSON.stringify(results))
})
