import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import type { MqttClient } from 'mqtt'
import { openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { receive, speak } from '../../../helpers/persistent-broker.ts'

const group = '$share/group/room/#'

/** Members with kept sessions, who go away. */
async function leave (broker: TestBroker, ids: string[], filter: string | string[] = group, qos: 0 | 1 | 2 = 1): Promise<void> {
  for (const clientId of ids) {
    const client = await broker.client({ clientId, clean: false })
    await client.subscribeAsync(filter, { qos })
    await client.endAsync()
  }
  await until(() => broker.place.snapshot()!.clients.connected, connected => connected === 0)
}

/** They come back, until what waited for all of them has come. @returns what each got */
async function comeBack (t: TestContext, { port }: { port: number }, ids: string[], count: number): Promise<string[][]> {
  const members = await Promise.all(ids.map(clientId => receive(t, port, { clientId, clean: false })))
  await until(() => members.map(({ got }) => got.length).reduce((sum, length) => sum + length, 0), sum => sum >= count)
  return members.map(({ got }) => got.map(({ payload }) => payload))
}

async function publish (publisher: MqttClient, numbers: number[], qos: 0 | 1 | 2 = 1): Promise<void> {
  for (const number of numbers) await publisher.publishAsync('room/1', String(number), { qos })
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

for (const where of ['in memory', 'on disk, after a kill']) {
  test(`while no member of a group is here its messages wait for those that have a session, in turn: ${where}`, async t => {
    const folder = where === 'in memory' ? undefined : await temporaryFolder(t)
    let broker = await openBroker(t, { folder })
    await leave(broker, ['one', 'two', 'three'])
    await leave(broker, ['zero'], group, 0)
    await leave(broker, ['other'], ['$share/other/room/+', '$share/other/+/1'])
    const publisher = await broker.client({ clientId: 'publisher', clean: false })
    await publish(publisher, [99], 0)
    await publish(publisher, upTo(6), 2)
    assert.equal(broker.place.snapshot()!.messages.stored, 6 + 6)
    if (folder !== undefined) {
      const left = await temporaryFolder(t)
      await cp(folder, left, { recursive: true })
      broker = await openBroker(t, { folder: left })
      // Groups are there without anybody having come back.
      await publish(await broker.client(), [6, 7, 8])
    }
    const all = upTo(folder === undefined ? 6 : 9).map(String)
    const got = await comeBack(t, broker, ['one', 'two', 'three', 'zero', 'other'], 2 * all.length)
    assert.deepEqual(got[4], all)
    assert.deepEqual(got[3], [])
    assert.deepEqual(got.slice(0, 3).flat().sort(), all)
    for (const some of got.slice(0, 3)) assert.deepEqual([some.length, some], [all.length / 3, [...some].sort()])
    assert.equal(broker.place.statistics().dropped, 0)
  })
}

test('a member that is here gets the messages, and those that are away only what comes after it left', async t => {
  const broker = await openBroker(t)
  await leave(broker, ['away'])
  const { client, got } = await receive(t, broker.port, {})
  await client.subscribeAsync(group, { qos: 1 })
  const publisher = await broker.client()
  await publish(publisher, [0, 1, 2])
  await until(() => got.length, length => length === 3)
  await client.endAsync()
  await until(() => broker.place.snapshot()!.clients.connected, connected => connected === 1)
  await publish(publisher, [3, 4])
  assert.deepEqual(await comeBack(t, broker, ['away'], 2), [['3', '4']])
  assert.equal(got.length, 3)
})

test('what a member did not acknowledge stays its own when it goes', async t => {
  const broker = await openBroker(t)
  const member = await speak(t, broker.port, 'member')
  member.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: group, qos: 1 }] })
  await member.next('suback')
  const publisher = await broker.client()
  await publish(publisher, [0, 1])
  for (let i = 0; i < 2; i++) await member.next('publish')
  const other = await receive(t, broker.port, { clientId: 'other', clean: false })
  await other.client.subscribeAsync(group, { qos: 1 })
  member.socket.destroy()
  await until(() => broker.place.snapshot()!.clients.connected, connected => connected === 2)
  await publish(publisher, [2])
  await until(() => other.got.length, length => length === 1)
  const { got } = await receive(t, broker.port, { clientId: 'member', clean: false })
  await until(() => got.length, length => length === 2)
  assert.deepEqual(got.map(({ payload, dup }) => [payload, dup]), [['0', true], ['1', true]])
  assert.deepEqual(other.got.map(({ payload }) => payload), ['2'])
})

test('messages go to a member whose queue has room, and are dropped and counted once none has', async t => {
  const broker = await openBroker(t, { limits: { offlineMessages: 3 } })
  await leave(broker, ['full'], ['room/full', group])
  await leave(broker, ['empty'])
  const publisher = await broker.client()
  for (let i = 0; i < 2; i++) await publisher.publishAsync('room/full', 'x', { qos: 1 })
  await publish(publisher, upTo(4))
  assert.deepEqual(broker.place.statistics().droppedBy, { offlineLimit: 1 })
  const [full, empty] = await comeBack(t, broker, ['full', 'empty'], 6)
  assert.deepEqual([full!.length, empty!.length], [3, 3])
})

test('a group that no session has any more keeps nothing, and one whose filter begins with a wildcard gets no topic that begins with $', async t => {
  const broker = await openBroker(t)
  await leave(broker, ['ends', 'unsubscribes', 'wild'], '$share/group/#')
  const publisher = await broker.client()
  await publisher.publishAsync('$room/1', 'x', { qos: 1 })
  assert.equal(broker.place.snapshot()!.messages.stored, 0)
  await publish(publisher, [0, 1, 2])
  await broker.place.control.endSession('ends')
  const client = await broker.client({ clientId: 'unsubscribes', clean: false })
  await client.unsubscribeAsync('$share/group/#')
  await until(() => broker.place.snapshot()!.messages.stored, stored => stored === 1)
  await (await broker.client({ clientId: 'wild', clean: true })).endAsync()
  await publish(publisher, [3])
  assert.equal(broker.place.snapshot()!.messages.stored, 0)
})

test('nothing is lost or given twice while members come and go', async t => {
  const broker = await openBroker(t, { folder: await temporaryFolder(t) })
  const ids = ['one', 'two', 'three']
  await leave(broker, ids)
  const all: Array<{ payload: string, dup: boolean }> = []
  const publisher = await broker.client({ clientId: 'publisher', clean: false })
  let isPublishing = true
  const comeAndGo = async (clientId: string): Promise<void> => {
    while (isPublishing) {
      const { client, got } = await receive(t, broker.port, { clientId, clean: false })
      await new Promise(resolve => setTimeout(resolve, Math.random() * 60))
      await client.endAsync()
      all.push(...got)
      await new Promise(resolve => setTimeout(resolve, Math.random() * 60))
    }
  }
  const coming = ids.map(comeAndGo)
  for (let i = 0; i < 60; i++) await Promise.all(upTo(10).map(j => publisher.publishAsync('room/1', String(10 * i + j), { qos: 2 })))
  isPublishing = false
  await Promise.all(coming)
  const members = await Promise.all(ids.map(clientId => receive(t, broker.port, { clientId, clean: false })))
  await until(() => broker.place.snapshot()!.messages.stored, stored => stored === 0)
  all.push(...members.flatMap(({ got }) => got))
  const missing = upTo(600).filter(number => !all.some(({ payload }) => payload === String(number)))
  const first = all.filter(({ dup }) => !dup).map(({ payload }) => payload)
  assert.deepEqual([missing, first.length - new Set(first).size], [[], 0])
})
