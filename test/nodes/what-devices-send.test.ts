import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import { findBroker } from '../../lib/registry/registry.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { publishPacket, rawClient } from '../helpers/raw-client.ts'

const load = useNodeRed()

async function platform (t: TestContext, intake: object = {}) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], []], ...intake },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'catch', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['stored', 'rejected', 'caught'].map(id => ({ id, z: 'tab', type: 'helper' }))
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {} })))
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const sender = await connectAsync(await flow.url('broker'), { reconnectPeriod: 0, clientId: 'c1' })
  t.after(() => { sender.end(true) })
  const send = async (timestamp: unknown, value: unknown = 1) => await sender.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 'a', value }], timestamp }), { qos: 1 })
  const times = async () => await knex('metrics').orderBy('ts').pluck<number[]>('ts')
  const warnings = () => flow.log().filter(line => /client|metric/i.test(line))
  return { flow, knex, sender, send, times, warnings }
}

// Not a whole second, which two of the units would tell alike.
const now = Math.floor(Date.now() / 1_000) * 1_000 + 1
for (const [unit, timestamp, ms] of [
  ['s', Math.floor(now / 1_000), Math.floor(now / 1_000) * 1_000],
  ['s', now / 1_000, now],
  ['µs', now * 1_000 + 7, now],
  ['ns', now * 1_000_000, now]
] as const) {
  test(`a timestamp of ${timestamp} is taken in ${unit}, and that is told once`, async t => {
    const { send, times, warnings, flow } = await platform(t)
    for (let i = 0; i < 5; i++) await send(timestamp)
    assert.deepEqual(await times(), [ms])
    assert.equal(warnings().length, 1)
    assert.match(warnings()[0] ?? '', new RegExp(`^Client "c1": The timestamp ${timestamp} was taken as ${unit}`))
    await until(() => flow.status('in')?.text ?? '', text => text.endsWith('agents · agent-in.status.converted'))
  })
}

test('a time that is out of range in every unit is rejected, or the time of receipt is taken', async t => {
  const { send, times, flow, warnings } = await platform(t)
  const outside = [0, 5, 951_782_400_000, now + 2 * 86_400_000, now * 10, '1970-01-01T00:00:00Z', '2000-01-01', '58879-01-01', '2099-01-01T00:00:00Z']
  for (const timestamp of outside) await send(timestamp)
  await send(now)
  assert.deepEqual(await times(), [now])
  assert.equal(warnings().length, 1)
  assert.match(warnings()[0] ?? '', /^Rejected, from client "c1" on agent\/message: TIMESTAMP_OUT_OF_RANGE: The timestamp 0 is too far in the past or in the future: set the sender's clock/)
  await until(() => flow.status('in')?.text ?? '', text => text.endsWith('agents · agent-in.status.rejected'))
  assert.equal(findBroker('broker').statistics().rejected, outside.length)
})

test('where it is asked for, a time out of range becomes the time of receipt, and equal messages stay apart', async t => {
  const { send, knex, warnings } = await platform(t, { outside: 'receipt' })
  await Promise.all(Array.from({ length: 20 }, () => send(0)))
  const rows = await knex('metrics').select<Array<{ ts: number }>>('ts')
  assert.equal(rows.length, 20)
  assert.ok(rows.every(({ ts }) => ts >= now))
  assert.equal(warnings().length, 1)
  assert.match(warnings()[0] ?? '', /The timestamp 0 is too far in the past or in the future, and the time of receipt was taken/)
})

test('the range can be as wide as one likes', async t => {
  const { send, times } = await platform(t, { pastDays: 0, futureDays: 0 })
  for (const timestamp of [5, now * 1_000]) await send(timestamp)
  assert.deepEqual(await times(), [5, now * 1_000])
})

test('metric-store takes s, µs and ns of any other node too, and refuses what is before 2000 or after tomorrow', async t => {
  const { flow, times } = await platform(t)
  const give = (timestamp: unknown) => { flow.receive('store', { topic: 'agent/message', payload: { agent: { uuid: 'a' }, metrics: [{ type: 'a', value: 1 }], timestamp } }) }
  for (const timestamp of [Math.floor(now / 1_000), now * 1_000, now * 1_000_000, 946_771_200_000]) give(timestamp)
  for (const timestamp of [5, now * 10]) give(timestamp)
  await until(() => flow.received('stored').length, n => n === 4)
  const caught = await until(() => flow.received('caught'), messages => messages.length === 2)
  assert.ok(caught.every(({ error }) => /TIMESTAMP_OUT_OF_RANGE/.test((error as { message: string }).message)))
  // Those in µs and ns say the same.
  assert.deepEqual(await times(), [946_771_200_000, Math.floor(now / 1_000) * 1_000, now])
})

test('texts that are numbers are numbers where it is asked for', async t => {
  const { knex, send } = await platform(t, { numericText: true })
  await send(now, '21.5')
  await send(now + 1, '21,5')
  assert.deepEqual(await knex('metrics').orderBy('ts').select('value', 'text'), [{ value: 21.5, text: null }, { value: null, text: '21,5' }])
})

test('texts that are numbers stay texts otherwise', async t => {
  const { knex, send } = await platform(t)
  await send(now, '21.5')
  assert.deepEqual(await knex('metrics').select('value', 'text'), [{ value: null, text: '21.5' }])
})

for (const wired of [true, false]) {
  test(`with ${wired ? 'a' : 'no'} wire on the fourth output rejections are ${wired ? 'not warned of' : 'warned of, once'}`, async t => {
    const { flow, sender, warnings } = await platform(t, wired ? { wires: [['store'], ['store'], ['store'], ['rejected']] } : {})
    for (let i = 0; i < 5; i++) await sender.publishAsync('agent/message', '{oops', { qos: 1 })
    await until(() => flow.status('in')?.text ?? '', text => text.endsWith('agents · agent-in.status.rejected'))
    assert.equal(warnings().length, wired ? 0 : 1)
    if (!wired) assert.match(warnings()[0] ?? '', /^Rejected, from client "c1" on agent\/message: PAYLOAD_NOT_JSON/)
  })
}

test('topics that are nearly one of the three are told', async t => {
  const { sender, warnings } = await platform(t)
  for (const topic of ['agent/mesage', 'agent/mesage', 'other/topic', 'agent/a1/cpu']) await sender.publishAsync(topic, 'x', { qos: 1 })
  await sender.publishAsync('Agent/Message', 'x', { qos: 0 })
  await sender.publishAsync('other', '', { qos: 1 })
  assert.deepEqual(warnings(), ['Client "c1": The topic "agent/mesage" is not agent/message: messages on it go to subscribers, and are not stored.'])
  assert.equal(findBroker('broker').statistics().nearTopics, 2)
})

// https://github.com/espressif/esp-mqtt/issues/238 and https://github.com/agessaman/MeshCore/pull/23: a message of QoS 1 comes each second until PUBACK.
test('what a device sends again and again while the database is locked is one metric, acknowledged once it is stored', async t => {
  const { flow, knex, send, times } = await platform(t)
  await send(now)
  await knex.raw('begin immediate')
  const device = await rawClient(t, Number(new URL(await flow.url('broker')).port), 'esp')
  const answers: number[] = []
  device.on('data', bytes => { answers.push(...bytes) })
  const first = publishPacket('agent/message', '{"agent":{"uuid":"b"},"metrics":[{"type":"a","value":1}]}', 1, 5)
  const copy = Buffer.from(first)
  copy.writeUInt8(copy.readUInt8() | 8) // DUP
  const ping = Buffer.from([0xc0, 0])
  device.write(Buffer.concat([first, copy, copy, copy, ping]))
  await until(() => answers, bytes => bytes.length > 0)
  assert.deepEqual(answers, [0xd0, 0])
  await knex.raw('commit')
  await until(() => answers, bytes => bytes.length === 2 + 4 * 4)
  assert.deepEqual(answers.slice(2), [1, 2, 3, 4].flatMap(() => [0x40, 2, 0, 5]))
  assert.equal((await times()).length, 2)
  assert.equal(flow.received('stored').length, 2)
})
