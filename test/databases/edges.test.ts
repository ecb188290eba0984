import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import type { Worker } from 'node:worker_threads'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { DatabaseOptions, ServerOptions } from '../../lib/store/dialects/options.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { tryDatabase } from '../../lib/store/try-database.ts'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { databases, onEachDatabase, onEachServer, type OpenDatabase } from '../helpers/databases.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message } from '../helpers/messages.ts'
import { tcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'

// Every place at which a database, or what is between, reaches this process: connections that are used, that are idle and that come and
// go, for the writer, for readers and for what is beside them. Whatever comes there, the process lives, what is acknowledged is stored
// once, and the store goes on. A new pool, driver or long work belongs into these tables.

const hour = 3_600_000
const day = 24 * hour
const today = Math.floor(1_700_000_000_000 / day) * day
/** When metrics are sent that are kept; those before are deleted by the passes. */
const lately = today + 10 * day

const uncaught: unknown[] = []
const note = (error: unknown): void => { uncaught.push(error) }
before(() => { process.on('uncaughtException', note).on('unhandledRejection', note) })
after(() => { process.off('uncaughtException', note).off('unhandledRejection', note) })

/** The same numbers in every run. */
function randomFrom (seed: number): (below: number) => number {
  return below => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(seed / 2_147_483_648 * below)
  }
}

interface Platform {
  store: Store
  /** Metrics that were acknowledged and are to stay. */
  acknowledged: Set<number>
  /** One message; resolves when it is acknowledged. */
  write (ts?: number): Promise<void>
  /** All that a store does, at once; resolves when all of it ended. */
  work: Record<string, () => Promise<unknown>>
}

function open (t: TestContext, options: DatabaseOptions): Platform {
  const store = new Store(dialectOf(options), { instance: 'test' })
  const retention = new Retention(store, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  t.after(() => Promise.all([retention.stop(), store.close()]))
  const acknowledged = new Set<number>()
  let seq = 0
  let passes = 0
  const write = async (ts = lately): Promise<void> => {
    const mine = seq++
    await new Promise<void>((resolve, reject) => {
      store.write(message('agent/message', { agent: { uuid: `a${mine % 7}-${Math.floor(mine / 100)}` }, metrics: [{ type: 'n', value: mine }], timestamp: ts, seq: mine }), ts, error => { if (error === null) resolve(); else reject(error) })
    })
    if (ts === lately) acknowledged.add(mine)
  }
  /** It is the caller's to ask again. */
  const mayFail = async (work: Promise<unknown>): Promise<void> => { await work.catch((error: unknown) => { assert.ok(error instanceof Error) }) }
  return {
    store,
    acknowledged,
    write,
    work: {
      'nothing is asked': () => pause(20),
      'messages are stored': () => Promise.all(Array.from({ length: 30 }, () => write())),
      'metrics are rolled up and deleted': async () => {
        await Promise.all(Array.from({ length: 5 }, (_, i) => write(today + i * hour)))
        // What a pass that failed had claimed is free two minutes later.
        await mayFail(retention.runOnce(lately + hour + ++passes * 120_000))
      },
      'somebody reads': () => mayFail(store.read().then(async knex => { await Promise.all([knex('metrics').limit(100), knex('agents'), knex('series')]) }))
    }
  }
}

async function assertStoredOnce ({ query }: OpenDatabase, { acknowledged }: Platform): Promise<void> {
  const seqs = (await query('metrics').where('ts', lately).pluck<Array<number | string>>('seq')).map(Number)
  assert.equal(seqs.length, new Set(seqs).size, 'nothing twice')
  const stored = new Set(seqs)
  assert.deepEqual([...acknowledged].filter(seq => !stored.has(seq)), [], 'everything acknowledged is there')
}

const nothingUncaught = (): void => { assert.deepEqual(uncaught.splice(0), []) }

type Fault = (bytes: Buffer, client: Socket, random: (below: number) => number) => void

/** What may happen to an answer of the server. */
const faults: Record<string, Fault> = {
  'is never given, and the connection reset': (_bytes, client) => { client.resetAndDestroy() },
  'is cut, and the connection ended': (bytes, client, random) => { client.end(bytes.subarray(0, random(bytes.length))) },
  'is cut, and the connection reset': (bytes, client, random) => {
    client.write(bytes.subarray(0, random(bytes.length)), () => { client.resetAndDestroy() })
  },
  'is garbage': (_bytes, client, random) => { client.write(Buffer.from(Array.from({ length: 1 + random(100) }, () => random(256)))) },
  'has other bytes': (bytes, client, random) => {
    const changed = Buffer.from(bytes)
    for (let i = random(8); i >= 0; i--) changed[random(changed.length)] = random(256)
    client.write(changed)
  },
  'has other lengths': (bytes, client, random) => {
    const changed = Buffer.from(bytes)
    for (let i = 5; i < changed.length; i++) if (changed[i] === 0 && random(3) === 0) changed[i] = 0xc4
    client.write(changed)
  }
}

/** What a driver cannot make sense of it may wait for: a minute in use, and no longer than this here. */
async function reset (proxy: TcpProxy, after: number): Promise<void> {
  await pause(after)
  for (const client of proxy.clients) client.resetAndDestroy()
}

for (const [what, fault] of Object.entries(faults)) {
  onEachServer(`an answer that ${what} ends a connection, and nothing else`, async (t, database) => {
    const proxy = await tcpProxy(t, (database.options as ServerOptions).port as number)
    const platform = open(t, { ...database.options, port: proxy.port } as ServerOptions)
    await platform.write()
    const random = randomFrom(20_261_128)
    for (const work of Object.values(platform.work)) {
      for (const passed of [0, 1, 2, 4, 7]) {
        let left = passed
        proxy.answer = (bytes, client) => {
          if (left-- === 0) fault(bytes, client, random)
          else client.write(bytes)
        }
        const working = work()
        const ended = Symbol('ended')
        if (await Promise.race([working.then(() => ended), pause(150)]) !== ended) {
          proxy.answer = undefined
          await reset(proxy, 0)
        }
        await working
        proxy.answer = undefined
        // Those that are idle get one as well.
        for (const client of proxy.clients) fault(Buffer.from('T\0\0\0\x20\0\x09abc'), client, random)
        await reset(proxy, 20)
        await platform.write()
        nothingUncaught()
      }
    }
    assert.ok(platform.store.statistics().retries > 0)
    assert.equal(platform.store.statistics().refused, 0, 'no message is to blame')
    await assertStoredOnce(database, platform)
  })
}

/** Logins of Kerberos, of Windows, and one that nobody has thought of yet: the driver knows none of them. */
for (const login of [7, 9, 99]) {
  for (const secure of [false, true]) {
    test(`a PostgreSQL that asks for a login of kind ${login}${secure ? ' over TLS' : ''} is not understood, and the error says so`, { skip: secure && withoutOpenssl }, async t => {
      const pair = secure ? makeAuthority(await temporaryFolder(t)).issue('server') : undefined
      const sockets = new Set<Socket>()
      const ask = (socket: Socket): void => {
        socket.on('error', () => undefined).on('data', () => { socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, login])) })
      }
      const server = createServer(socket => {
        sockets.add(socket.on('error', () => undefined))
        if (pair === undefined) return ask(socket)
        // The client asks for TLS in clear text.
        socket.once('data', () => {
          socket.write('S')
          ask(new TLSSocket(socket, { isServer: true, ...pair }))
        })
      }).listen(0, '127.0.0.1')
      t.after(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const options: DatabaseOptions = { client: 'postgresql', host: '127.0.0.1', port, user: 'a', password: 'b', database: 'c', poolSize: 1, ...secure && { tls: { rejectUnauthorized: false } } }
      await assert.rejects(tryDatabase(options), /STORE_LOGIN_REFUSED.*cannot be read/)
      nothingUncaught()
    })
  }
}

onEachServer('a server that is killed while anything is asked, or nothing, is waited for, and nothing is lost', async (t, database) => {
  const { server, options } = database
  const platform = open(t, options)
  for (const work of Object.values(platform.work)) {
    await platform.write()
    await platform.work['somebody reads']?.()
    const working = work()
    await pause(5)
    await server.kill()
    await pause(50)
    await server.start()
    await working
    await platform.write()
    nothingUncaught()
  }
  await assertStoredOnce(database, platform)
})

onEachDatabase('a store that is closed in the middle of everything ends, and what comes later fails with STORE_CLOSED', async (t, database) => {
  for (const delay of [0, 1, 5, 20, 60]) {
    const platform = open(t, database.options)
    const { store, work } = platform
    if (delay > 1) await platform.write()
    const working = Promise.allSettled(Object.values(work).map(begin => begin()))
    await pause(delay)
    const began = performance.now()
    await store.close()
    assert.ok(performance.now() - began < 5_000)
    await working
    await assert.rejects(platform.write(), /STORE_CLOSED/)
    await assert.rejects(store.read(), /STORE_CLOSED/)
    await pause(50)
    nothingUncaught()
  }
})

onEachDatabase('a thread of SQLite that dies is replaced, whatever it was asked, and nothing is lost', async (t, database) => {
  const workers: Worker[] = []
  const came = (worker: Worker): void => { workers.push(worker) }
  process.on('worker', came)
  t.after(() => { process.off('worker', came) })
  const platform = open(t, database.options)
  for (const work of Object.values(platform.work)) {
    for (const delay of [0, 2, 10]) {
      await platform.write()
      await platform.work['somebody reads']?.()
      const working = work()
      await pause(delay)
      assert.ok(workers.length > 0)
      await Promise.all(workers.splice(0).map(worker => worker.terminate()))
      await working
      await platform.write()
      nothingUncaught()
    }
  }
  await assertStoredOnce(database, platform)
}, databases.filter(({ name }) => name === 'SQLite of Node.js'))
