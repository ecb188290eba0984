import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { sqliteDialect } from '../../../../lib/store/dialects/sqlite/sqlite.ts'
import { Store } from '../../../../lib/store/store.ts'
import { KnownAgents } from '../../../../lib/store/writer/known-agents.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { message } from '../../../helpers/messages.ts'

test('what is remembered of agents is bounded', () => {
  const known = new KnownAgents()
  const agent = { id: 1, username: null, name: null, hostname: null, pid: null, connected: true, lastSeenAt: 0, spokeAt: -1, series: new Map(Array.from({ length: 150_000 }, (_, i) => [`t${i}`, { id: i, hasValue: true, dirtyHour: 0 }])) }
  known.learn('a', agent)
  assert.equal(known.agent('a'), agent)
  known.learn('b', agent)
  assert.equal(known.agent('a'), undefined)
  assert.equal(known.agent('b'), agent)
})

test('what is remembered of the series of one agent is bounded', () => {
  const known = new KnownAgents()
  for (let i = 0; i < 500; i++) {
    const series = new Map(Array.from({ length: 1_000 }, (_, j) => [`t${i}-${j}`, { id: i * 1_000 + j, hasValue: true, dirtyHour: 0 }]))
    known.learn('a', { id: 1, username: null, name: null, hostname: null, pid: null, connected: true, lastSeenAt: 0, spokeAt: -1, series })
    const { size } = known.agent('a')?.series ?? {}
    assert.ok(size !== undefined && size <= 200_000, String(size))
    assert.ok(known.agent('a')?.series.has(`t${i}-0`))
  }
})

test('a new series takes no more time of this process however many its agent has', async t => {
  const store = new Store(sqliteDialect(join(await temporaryFolder(t), 'test.sqlite')), { instance: 'test' })
  t.after(() => store.close())
  const send = (uuid: string, types: string[]) => new Promise<void>((resolve, reject) => {
    const sent = message('agent/message', { agent: { uuid }, metrics: types.map(type => ({ type, value: 1 })) })
    store.write(sent, 1_700_000_000_000, error => { if (error === null) resolve(); else reject(error) })
  })
  const spent = async (uuid: string): Promise<number> => {
    const before = process.cpuUsage()
    for (let i = 0; i < 20; i++) await send(uuid, [`new-${i}`])
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  await Promise.all(Array.from({ length: 100 }, (_, i) => send('many', Array.from({ length: 1_000 }, (_, j) => `t${i}-${j}`))))
  await send('few', ['t'])
  const few = await spent('few')
  const many = await spent('many')
  assert.ok(many < 5 * few + 200, `${many} ms of the processor, and ${few} ms with one series`)
})

test('an agent that was forgotten takes its series along, and nothing of others', () => {
  const known = new KnownAgents()
  for (const [id, uuid] of [[1, 'kept'], [2, 'lost']] as const) {
    known.learn(uuid, { username: null, name: null, hostname: null, pid: null, id, connected: true, lastSeenAt: 0, spokeAt: -1, series: new Map([['load', { id, hasValue: true, dirtyHour: 0 }]]) })
  }
  known.forget('lost')
  known.forget('never')
  assert.equal(known.agent('lost'), undefined)
  assert.equal(known.agent('kept')?.series.get('load')?.id, 1)
})
