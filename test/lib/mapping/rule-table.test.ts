import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import { topics } from '../../../lib/messages/topics.ts'

const read = (table: RuleTable, topic: string, payload: unknown = { power: 1 }) => table.read(topic, Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)), 1_764_547_200_000)
/** What a row says of a publication that it has to be able to read. */
const readings = (rule: unknown, topic: string, payload?: unknown) => {
  const table = new RuleTable([rule])
  assert.deepEqual(table.problems, [])
  const result = read(table, topic, payload)
  return result?.ok === true ? result.readings : assert.fail(JSON.stringify(result))
}
const problem = (rule: unknown): string => new RuleTable([rule]).problems[0]?.detail ?? assert.fail('it is a good row')
const uuids = (table: RuleTable, topic: string): unknown => {
  const result = read(table, topic)
  return result?.ok === true ? result.readings.map(({ agent }) => agent.uuid) : result
}

test('a name stands for one whole level, and + for one that nobody needs', () => {
  const table = new RuleTable([{ topic: 'home/+/{uuid}/SENSOR', format: 'json' }])
  assert.deepEqual(uuids(table, 'home/cellar/pump/SENSOR'), ['pump'])
  for (const topic of ['home/cellar/pump', 'home/cellar/pump/SENSOR/1', 'Home/cellar/pump/SENSOR', 'home/pump/SENSOR']) assert.equal(table.matches(topic), false, topic)
})

test('topics that came before are read by the same row, with their own names, whatever came in between', () => {
  const table = new RuleTable([{ topic: 'a/{uuid}/+', format: 'json' }, { topic: 'b/{site}/{uuid}', format: 'json', name: '{site}' }])
  const topics: Array<[string, string | undefined]> = [['a/pump/x', 'pump'], ['b/cellar/fan', 'fan'], ['c/pump/x', undefined], ['a/fan/x', 'fan'], [`a/${'long'.repeat(50)}/x`, 'long'.repeat(50)]]
  for (let round = 0; round < 3; round++) {
    for (const [topic, uuid] of topics) assert.deepEqual([table.matches(topic), uuids(table, topic)], [uuid !== undefined, uuid && [uuid]], topic)
    for (let i = 0; i < 20_000; i++) table.matches(`c/${i}`)
  }
})

test('# stands for the rest of the topic, which may be empty', () => {
  const table = new RuleTable([{ topic: '{uuid}/#', format: 'json' }])
  for (const topic of ['pump', 'pump/a', 'pump/a/b']) assert.deepEqual(uuids(table, topic), ['pump'], topic)
})

test('of several rows that match a topic the first one reads it, however many there are', () => {
  const rows = Array.from({ length: 200 }, (_, i) => ({ topic: `site${i}/{uuid}/state`, format: 'json' }))
  const table = new RuleTable([...rows, { topic: 'site7/#', format: 'json', uuid: 'all' }, { topic: 'site300/{uuid}/+', format: 'json', uuid: 'first' }, { topic: 'site300/{uuid}/state', format: 'json' }])
  assert.deepEqual(table.problems, [])
  assert.deepEqual(uuids(table, 'site7/pump/state'), ['pump'])
  assert.deepEqual(uuids(table, 'site7/pump/other'), ['all'])
  assert.deepEqual(uuids(table, 'site300/pump/state'), ['first'])
  assert.equal(read(table, 'site201/pump/state'), undefined)
})

test('no row reads the three topics of agents, nor by a wildcard those of the broker', () => {
  const table = new RuleTable([{ topic: '#', format: 'value', uuid: 'x' }, { topic: '{uuid}/{type}', format: 'value' }, { topic: '$aws/{uuid}', format: 'json' }])
  assert.deepEqual(table.problems, [])
  for (const topic of [...Object.values(topics), '$SYS/broker/uptime']) assert.equal(table.matches(topic), false, topic)
  assert.deepEqual(uuids(table, '$aws/pump'), ['pump'])
})

test('{uuid} stands for no level of a program, nor for one that begins with $', () => {
  const table = new RuleTable([{ topic: '{uuid}/status', format: 'json' }, { topic: 'homie/{uuid}/+', format: 'json' }, { topic: '{root}/{uuid}/state', format: 'json' }, { topic: 'homeassistant/{type}', format: 'json', uuid: 'ha' }])
  assert.deepEqual(table.problems, [])
  assert.deepEqual(['homeassistant/other', 'homeassistant/status', 'plug/status', 'homie/car/x', 'homeassistant/plug/state'].map(topic => uuids(table, topic)), [['ha'], ['ha'], ['plug'], ['car'], ['plug']])
  for (const topic of ['zigbee2mqtt/status', 'homie/$broadcast/x', 'a/$b/state']) assert.equal(table.matches(topic), false, topic)
})

test('a bad row is left out and named, with what is wrong, and the others are read', () => {
  const table = new RuleTable([{ topic: 'a/{uuid}', format: 'json' }, { topic: 'b/{uuid', format: 'json' }, { topic: 'a/{type}', format: 'value', uuid: 'x' }, null])
  assert.deepEqual(table.problems.map(({ code, detail }) => [code, detail]), [
    ['TOPIC_RULE_INVALID', 'Row 2: In the topic "b/{uuid", "{uuid" is no name: a name has letters and digits, and stands for a whole level, such as {uuid}.'],
    ['TOPIC_RULE_INVALID', 'Row 3: The topic "a/{type}" is the one of row 1, which reads it.'],
    ['TOPIC_RULE_INVALID', 'Row 4: It is no row.']
  ])
  assert.deepEqual(uuids(table, 'a/pump'), ['pump'])
})

test('what is wrong with a row is said in its own words', () => {
  const wrong: Array<[rule: Record<string, unknown>, says: RegExp]> = [
    [{ topic: '' }, /There is no topic/],
    [{ topic: 7 }, /field topic is no text/],
    [{ topic: 'tele/x{uuid}/SENSOR' }, /"x\{uuid\}" is no name/],
    [{ topic: 'tele/{1}/SENSOR' }, /"\{1\}" is no name/],
    [{ topic: '{uuid}/{uuid}' }, /has the name \{uuid\} twice/],
    [{ topic: '{uuid}/#/x' }, /no topic filter/],
    [{ topic: '{uuid}/x+' }, /no topic filter/],
    [{ topic: '$SYS/{uuid}' }, /the broker's own/],
    [{ topic: 'agent/message', uuid: 'x' }, /one of the three/],
    [{ topic: 'tele/+/SENSOR' }, /Nothing tells the agents of tele\/\+\/SENSOR apart/],
    [{ topic: '{uuid}', format: 'xml' }, /no format "xml"/],
    [{ topic: '{uuid}', format: '__proto__' }, /no format/],
    [{ topic: '{uuid}', name: '{room}' }, /needs \{room\}, which the topic does not have/],
    [{ topic: '{uuid}', name: '{$id}' }, /a field of the payload is \{\$\.field\}/],
    [{ topic: '{uuid}', name: '}' }, /a brace too many/],
    [{ topic: '{uuid}', format: 'value', name: '{$.name}' }, /needs a field/],
    [{ topic: '{uuid}', format: 'value', type: '{$.name}' }, /needs a field/],
    [{ topic: '{uuid}', take: 'ENERGY' }, /field take is no list/],
    [{ topic: '{uuid}', rename: [] }, /field rename is no object/],
    [{ topic: '{uuid}', time: { path: 'Time', unit: 'h' } }, /no unit of time "h"/],
    [{ topic: '{uuid}', format: 'presence', presence: { online: 'on', offline: 'off|on' } }, /"on" cannot say both/]
  ]
  for (const [rule, says] of wrong) assert.match(problem({ format: 'json', ...rule }), says)
})

test('an agent is made of names of the topic and of fields of the payload', () => {
  const rule = { topic: 'gw/{site}/+', format: 'json', uuid: '{site}-{$.device.0.id}', name: '{$.device.0.name}', username: 'ana', take: ['power'] }
  const payload = { device: [{ id: 12, name: 'press' }], power: 3 }
  assert.deepEqual(readings(rule, 'gw/plant/up', payload), [{ kind: 'message', agent: { uuid: 'plant-12', name: 'press', username: 'ana' }, metrics: [{ type: 'power', value: 3 }] }])
  const lacking = read(new RuleTable([rule]), 'gw/plant/up', { power: 3 })
  assert.deepEqual(lacking, { ok: false, reason: 'FIELD_INVALID', detail: 'The payload does not have device.0.id, of which the uuid is made.' })
  for (const path of ['__proto__', 'constructor.name', 'device.length']) {
    assert.equal(read(new RuleTable([{ topic: 'a', format: 'json', uuid: `{$.${path}}` }]), 'a', payload)?.ok, false, path)
  }
})

test('a publication without a row is nothing', () => {
  assert.equal(read(new RuleTable(undefined), 'a'), undefined)
  assert.equal(new RuleTable('nonsense').isEmpty, true)
})
