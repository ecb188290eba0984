import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { checkRule, Rules, ruleTexts, type Rights, type Rule } from '../../../../lib/broker/access/rules.ts'
import { covers, matches, overlaps, parseFilter } from '../../../../lib/mqtt/topic-filters.ts'

function rightsOf (rules: Rule[], username?: string, clientId = 'c1'): Rights {
  return new Rules(rules).for({ username, clientId })
}

/** The rules of the example "Secure broker". */
const sensors: Rule[] = [
  { subject: 'everyone', access: 'write', topic: 'sensor_data/%u' },
  { subject: 'everyone', access: 'read', topic: 'config_change/%u' },
  { subject: 'user', username: 'application', access: 'read', topic: 'sensor_data/#' },
  { subject: 'user', username: 'operator', access: 'write', topic: 'config_change/#' }
]

test('without rules everybody may do everything', () => {
  const rights = rightsOf([])
  assert.ok(rights.mayPublish('a') && rights.mayReceive('$SYS/broker/version') && rights.maySubscribe('#'))
})

test('with any rule, what none grants is refused', () => {
  const rights = rightsOf([{ subject: 'user', username: 'ada', access: 'readwrite', topic: '#' }], 'bob')
  assert.ok(!rights.mayPublish('a') && !rights.mayReceive('a') && !rights.maySubscribe('a'))
})

test('sensors publish their data and hear their configuration, the application reads, the operator configures', () => {
  const sensor = rightsOf(sensors, 'sensor1')
  assert.ok(sensor.mayPublish('sensor_data/sensor1'))
  assert.ok(sensor.maySubscribe('config_change/sensor1') && sensor.mayReceive('config_change/sensor1'))
  for (const topic of ['sensor_data/sensor2', 'sensor_data', 'sensor_data/sensor1/x', 'config_change/sensor1']) {
    assert.equal(sensor.mayPublish(topic), false, topic)
  }
  for (const filter of ['#', 'config_change/#', 'config_change/+', 'config_change/sensor2', 'sensor_data/sensor1']) {
    assert.equal(sensor.maySubscribe(filter), false, filter)
  }
  assert.equal(sensor.mayReceive('config_change/sensor2'), false)

  const application = rightsOf(sensors, 'application')
  for (const filter of ['sensor_data/#', 'sensor_data/+', 'sensor_data', 'config_change/application']) {
    assert.equal(application.maySubscribe(filter), true, filter)
  }
  assert.equal(application.mayReceive('sensor_data/sensor1'), true)
  assert.equal(application.mayPublish('sensor_data/sensor1'), false)
  assert.equal(application.mayPublish('config_change/sensor1'), false)

  const operator = rightsOf(sensors, 'operator')
  assert.equal(operator.mayPublish('config_change/sensor1'), true)
  assert.equal(operator.maySubscribe('config_change/#'), false)

  const stranger = rightsOf(sensors)
  for (const topic of ['sensor_data/sensor1', 'sensor_data/%u', 'config_change/%u']) assert.equal(stranger.mayPublish(topic), false, topic)
  assert.equal(stranger.maySubscribe('sensor_data/#'), false)
})

test('a deny wins wherever it stands, over reading and writing', () => {
  const grants: Rule[] = [
    { subject: 'user', username: 'ada', access: 'readwrite', topic: 'a/#' },
    { subject: 'everyone', access: 'readwrite', topic: 'a/#' }
  ]
  const denials: Rule[] = [
    { subject: 'user', username: 'ada', access: 'deny', topic: 'a/secret/#' },
    { subject: 'everyone', access: 'deny', topic: 'a/secret/#' },
    { subject: 'everyone', access: 'deny', topic: '+/secret/#' }
  ]
  for (const deny of denials) {
    for (const rules of [[deny, ...grants], [...grants, deny]]) {
      const rights = rightsOf(rules, 'ada')
      assert.ok(!rights.mayPublish('a/secret') && !rights.mayReceive('a/secret/1') && !rights.maySubscribe('a/secret/1'))
      assert.ok(rights.mayPublish('a/other') && rights.mayReceive('a/other') && rights.maySubscribe('a/other/#'))
      assert.equal(rights.maySubscribe('a/#'), false, 'it would match what is denied')
    }
  }
})

test('a rule concerns its subject alone', () => {
  const rules: Rule[] = [
    { subject: 'anonymous', access: 'write', topic: 'anonymous' },
    { subject: 'user', username: 'ada', access: 'write', topic: 'ada' },
    { subject: 'everyone', access: 'write', topic: 'everyone' }
  ]
  const allowed = (username?: string) => ['anonymous', 'ada', 'everyone'].filter(topic => rightsOf(rules, username).mayPublish(topic))
  assert.deepEqual(allowed(), ['anonymous', 'everyone'])
  assert.deepEqual(allowed('ada'), ['ada', 'everyone'])
  assert.deepEqual(allowed('Ada'), ['everyone'])
  assert.deepEqual(allowed('anonymous'), ['everyone'])
})

test('%u and %c stand for the names of the client in rules for everyone, and for themselves in the others', () => {
  const rules: Rule[] = [
    { subject: 'everyone', access: 'readwrite', topic: 'u/%u/#' },
    { subject: 'everyone', access: 'readwrite', topic: 'c/%c' },
    { subject: 'everyone', access: 'deny', topic: 'u/%u/%c' },
    { subject: 'user', username: 'ada', access: 'write', topic: 'literal/%u' }
  ]
  const ada = rightsOf(rules, 'ada', 'c7')
  assert.ok(ada.mayPublish('u/ada/x') && ada.maySubscribe('u/ada/x/#') && ada.mayPublish('c/c7') && !ada.mayPublish('u/ada/c7'))
  assert.ok(!ada.mayPublish('u/bob/x') && !ada.mayPublish('c/c8') && !ada.mayPublish('u/%u/x'))
  assert.ok(ada.mayPublish('literal/%u') && !ada.mayPublish('literal/ada'))

  const anonymous = rightsOf(rules, undefined, 'c7')
  assert.equal(anonymous.mayPublish('c/c7'), true)
  for (const topic of ['u//x', 'u/undefined/x', 'u/%u/x']) assert.equal(anonymous.mayPublish(topic), false, topic)
  // What a name contains is not filled in again.
  assert.ok(rightsOf(rules, '%c', 'c7').mayPublish('u/%c/x') && !rightsOf(rules, '%c', 'c7').mayPublish('u/c7/x'))
})

test('names with + # or / match no pattern that uses them, nor do empty ones, nor $ names at the start (CVE-2017-7650)', () => {
  const rules: Rule[] = [
    { subject: 'everyone', access: 'readwrite', topic: 'u/%u' },
    { subject: 'everyone', access: 'readwrite', topic: 'c/%c/#' },
    { subject: 'everyone', access: 'readwrite', topic: '%u/#' },
    { subject: 'everyone', access: 'readwrite', topic: '%c/#' },
    { subject: 'everyone', access: 'readwrite', topic: 'free/+' }
  ]
  for (const name of ['#', '+', 'a+', 'a/b', '/', 'x#', '']) {
    const rights = rightsOf(rules, name, name)
    for (const topic of [`u/${name}`, 'u/victim', `c/${name}/x`, 'c/victim', `${name}/x`, 'victim/x', 'u/a/b', 'a/b', '/x']) {
      const isAllowed = rights.mayPublish(topic) || rights.mayReceive(topic) || rights.maySubscribe(topic)
      assert.equal(isAllowed, false, `${name}: ${topic}`)
    }
    for (const filter of ['#', 'u/#', 'u/+', 'c/#', `c/${name}/#`]) {
      assert.equal(rights.maySubscribe(filter), false, `${name}: ${filter}`)
    }
    assert.ok(rights.mayPublish('free/x') && rights.maySubscribe('free/+'))
  }
  const system = rightsOf(rules, '$SYS', '$SYS')
  assert.ok(!system.mayReceive('$SYS/broker/clients/total') && !system.maySubscribe('$SYS/#') && system.mayReceive('u/$SYS'))
})

test('only a rule that names it opens a tree that starts with $', () => {
  const wide = rightsOf(['#', '+/broker/#'].map(topic => ({ subject: 'anonymous', access: 'readwrite', topic })))
  assert.ok(wide.maySubscribe('#') && wide.maySubscribe('+/x') && wide.mayPublish('a/$SYS'))
  assert.ok(!wide.maySubscribe('$SYS/#') && !wide.maySubscribe('$SYS/broker/version') && !wide.mayReceive('$SYS/broker/version'))

  const named = rightsOf([{ subject: 'anonymous', access: 'read', topic: '$SYS/#' }])
  assert.ok(named.maySubscribe('$SYS/broker/#') && named.mayReceive('$SYS/broker/version') && !named.maySubscribe('#'))

  const denied = rightsOf([{ subject: 'anonymous', access: 'deny', topic: '#' }, { subject: 'anonymous', access: 'read', topic: '$SYS/#' }])
  assert.ok(denied.maySubscribe('$SYS/#'))
})

test('a shared subscription is checked by its filter, and what is no filter is refused', () => {
  const rights = rightsOf(['jobs/+', '+/+/+'].map(topic => ({ subject: 'everyone', access: 'read', topic })))
  assert.ok(rights.maySubscribe('$share/workers/jobs/+') && rights.maySubscribe('$share/workers/jobs/1'))
  const refused = ['$share/workers/#', '$share/workers/private/x', '$share/workers', '$share/+/jobs/1', '$share//jobs/1', '', 'a/#/b', 'jobs/+x']
  for (const filter of refused) assert.equal(rights.maySubscribe(filter), false, filter)
})

test('whatever a granted filter matches may be received, and decisions are those of the rules one by one', () => {
  const random = pseudoRandom(1)
  const pick = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T
  const names = ['', 'a', 'b', '$s', '+', '%u', '%c']
  const someLevels = (choices: readonly string[]) => {
    return Array.from({ length: pick([1, 2, 3]) }, () => pick(choices)).join('/') + pick(['', '/#'])
  }
  const topics = ['', 'a', 'b', '$s', 'ada', 'c1'].flatMap((first, _, all) => {
    return all.flatMap(second => [first, `${first}/${second}`, ...all.map(third => `${first}/${second}/${third}`)])
  })
  let granted = 0

  for (let round = 0; round < 150; round++) {
    const rules = Array.from({ length: 1 + Math.floor(random() * 5) }, (): Rule => ({
      subject: pick(['everyone', 'user', 'anonymous']),
      username: pick(['ada', 'bob']),
      access: pick(['read', 'write', 'readwrite', 'readwrite', 'deny']),
      topic: someLevels(names)
    })).filter(rule => checkRule(rule) === undefined)
    if (rules.length === 0) continue
    const concerning = rules.filter(({ subject, username }) => subject === 'everyone' || (subject === 'user' && username === 'ada'))
    const mine = concerning.map(({ access, topic, subject }) => {
      const text = subject === 'everyone' ? topic.replaceAll('%u', 'ada').replaceAll('%c', 'c1') : topic
      return { access, filter: parseFilter(text) ?? assert.fail(text) }
    })
    const rights = rightsOf(rules, 'ada')
    const isAllowed = (topic: string, access: string) => {
      const matching = mine.filter(({ filter }) => matches(filter, topic.split('/')))
      return matching.every(rule => rule.access !== 'deny') && matching.some(rule => rule.access === 'readwrite' || rule.access === access)
    }
    for (const topic of [...topics, ...topics]) {
      assert.equal(rights.mayReceive(topic), isAllowed(topic, 'read'), `${topic} by ${JSON.stringify(rules)}`)
      assert.equal(rights.mayPublish(topic), isAllowed(topic, 'write'), `${topic} by ${JSON.stringify(rules)}`)
    }
    for (let i = 0; i < 50; i++) {
      const text = someLevels(['', 'a', 'b', '$s', '+', 'ada'])
      const filter = parseFilter(text)
      if (filter === undefined) continue
      const right = mine.every(rule => rule.access !== 'deny' || !overlaps(rule.filter, filter)) &&
        mine.some(rule => (rule.access === 'read' || rule.access === 'readwrite') && covers(rule.filter, filter))
      assert.equal(rights.maySubscribe(text), right, `${text} by ${JSON.stringify(rules)}`)
      if (!right) continue
      granted++
      for (const topic of topics) {
        assert.ok(!matches(filter, topic.split('/')) || rights.mayReceive(topic), `${topic} by ${text} of ${JSON.stringify(rules)}`)
      }
    }
  }
  assert.ok(granted > 100)
})

test('a client that publishes to ever new topics takes no memory, however long they are', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (const [count, length] of [[10, 100], [100_000, 100], [60, 65_000]] as const) {
    const rights = rightsOf([{ subject: 'everyone', access: 'write', topic: 'a/#' }])
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < count; i++) rights.mayPublish(Buffer.from(`a/${i}/`.padEnd(length, 'x')).toString())
    collect()
    const grown = process.memoryUsage().heapUsed - before
    assert.ok(grown < 2e6, `${grown} bytes for ${count} topics of ${length}`)
    assert.equal(rights.mayPublish('a'), true)
  }
})

test('a hundred levels and a hundred rules take no time, whatever the topic', () => {
  const rights = rightsOf(Array.from({ length: 100 }, (_, i): Rule => {
    return { subject: 'everyone', access: i % 2 ? 'deny' : 'readwrite', topic: `${'+/'.repeat(99)}x${i}` }
  }))
  assert.ok(rights.mayPublish(`${'a/'.repeat(99)}x42`) && !rights.mayPublish(`${'a/'.repeat(99)}x43`))
  assert.ok(rights.maySubscribe(`${'+/'.repeat(99)}x42`))
  const start = performance.now()
  for (let i = 0; i < 100; i++) {
    rights.mayPublish(`${'a/'.repeat(98)}${i}`)
    rights.mayPublish('/'.repeat(65_535))
    rights.mayReceive(`${'a/'.repeat(32_000)}`)
  }
  assert.ok(performance.now() - start < 1000)
})

test('an impossible row of the table is reported by the key of a sentence', () => {
  const row = { subject: 'user', username: 'ada', access: 'read', topic: 'a/#' }
  const wrong: Array<[object, RegExp]> = [
    [{ subject: 'group' }, /subject/], [{ subject: undefined }, /subject/],
    [{ username: '' }, /username is missing/], [{ username: undefined }, /username is missing/],
    [{ username: 'a\nb' }, /control character/], [{ username: ' a' }, /space/],
    [{ access: 'all' }, /access/], [{ access: 'toString' }, /access/], [{ access: 3 }, /access/],
    [{ topic: '' }, /topic is missing/], [{ topic: null }, /topic is missing/],
    [{ topic: 'a\ntopic #' }, /control character/], [{ topic: 'a ' }, /space/],
    [{ topic: 'a#' }, /not a filter/], [{ topic: 'a/#/b' }, /not a filter/], [{ topic: 'a+/b' }, /not a filter/], [{ topic: 'x'.repeat(65_536) }, /not a filter/],
    [{ topic: '$share/g/a' }, /shared/], [{ subject: 'everyone', topic: 'a/x%u' }, /%u/], [{ subject: 'everyone', topic: '%c%u' }, /%u/]
  ]
  const told = new Set<string>()
  for (const [change, pattern] of wrong) {
    const problem = checkRule({ ...row, ...change }) ?? assert.fail(JSON.stringify(change).slice(0, 100))
    assert.match(ruleTexts[problem], pattern, JSON.stringify(change).slice(0, 100))
    told.add(problem)
  }
  assert.deepEqual([...told].sort(), Object.keys(ruleTexts).sort(), 'every sentence is for something')
  const right = [{ username: 'with space', topic: 'a topic/+' }, { topic: '#' }, { topic: 'a//%u%c' }, { subject: 'everyone', username: '', topic: '%u/%c/#' }]
  for (const change of right) assert.equal(checkRule({ ...row, ...change }), undefined, JSON.stringify(change))
})

test('a wrong row grants nothing, and is a rule none the less', () => {
  const rights = rightsOf([{ subject: 'everyone', access: 'readwrite', topic: 'a/#/b' }])
  assert.ok(!rights.mayPublish('a/#/b') && !rights.mayPublish('a/x/b') && !rights.maySubscribe('a/#') && !rights.mayReceive('x'))
})

/** Numbers from 0 to 1, the same ones each time. */
function pseudoRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}
