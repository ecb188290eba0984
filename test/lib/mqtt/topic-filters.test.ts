import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, matches, overlaps, parseFilter, parseSubscription, type Filter } from '../../../lib/mqtt/topic-filters.ts'

/** The rules of section 4.7 once more, as plainly as can be. */
function matchesBySpecification (filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const walk = ([level, ...levels]: string[], names: string[]): boolean => {
    if (level === '#') return true
    if (level === undefined || names.length === 0) return level === undefined && names.length === 0
    return (level === '+' || level === names[0]) && walk(levels, names.slice(1))
  }
  return walk(filter.split('/'), topic.split('/'))
}

/** Every text of up to `depth` levels. */
function texts (names: string[], depth: number): string[] {
  const shorter = depth === 1 ? [] : texts(names, depth - 1)
  const parents = shorter.filter(text => text.split('/').length === depth - 1)
  return depth === 1 ? names : [...shorter, ...parents.flatMap(text => names.map(name => `${text}/${name}`))]
}

// No filter has the name "x": it stands for all the names that a filter does not have.
// The empty topic is among them: it cannot be published [MQTT-4.7.3-1], but `/#` matches it, as the parent of its one level.
const topics = texts(['', 'a', '$b', 'x'], 4)
const plain = texts(['', 'a', '$b', '+'], 3)
const filters = ['#', ...plain.filter(filter => filter !== ''), ...plain.map(filter => `${filter}/#`)]

function parsed (text: string): Filter {
  return parseFilter(text) ?? assert.fail(`no filter: ${text}`)
}

test('a filter matches what the specification says', () => {
  const wrong: string[] = []
  for (const filter of filters) {
    const compiled = parsed(filter)
    for (const topic of topics) {
      const right = matchesBySpecification(filter, topic)
      const cutOff = topic.split('/', compiled.levels.length + 1)
      if (matches(compiled, topic.split('/')) !== right || matches(compiled, cutOff) !== right) wrong.push(`${filter} ${topic}`)
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(filters.length > 150 && topics.length > 300)
})

test('one filter covers or overlaps another exactly when their topics say so', () => {
  const compiled = filters.map(filter => {
    return { filter, parsed: parsed(filter), matched: topics.map(topic => matchesBySpecification(filter, topic)) }
  })
  const wrong: string[] = []
  for (const one of compiled) {
    for (const other of compiled) {
      const isCovered = other.matched.every((isMatch, i) => !isMatch || one.matched[i])
      const isShared = other.matched.some((isMatch, i) => isMatch && one.matched[i])
      if (covers(one.parsed, other.parsed) !== isCovered) wrong.push(`${one.filter} covers ${other.filter}: ${String(isCovered)}`)
      if (overlaps(one.parsed, other.parsed) !== isShared) wrong.push(`${one.filter} overlaps ${other.filter}: ${String(isShared)}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('wildcards at the start leave the topics alone that start with $', () => {
  assert.equal(covers(parsed('#'), parsed('$SYS/#')), false)
  assert.equal(overlaps(parsed('#'), parsed('$SYS/#')), false)
  assert.equal(covers(parsed('+/broker/#'), parsed('$SYS/broker/#')), false)
  assert.equal(covers(parsed('$SYS/#'), parsed('$SYS/broker/+')), true)
  assert.equal(matches(parsed('a/+'), ['a', '$b']), true)
})

test('what is no filter is not taken for one', () => {
  const longest = 'ä'.repeat(32_767)
  for (const text of ['', 'a#', 'a/#/b', '#/', '+a', 'a+', 'a/+b/c', '++', '##', '/+#', '#\n', 'a\0', `${longest}äa`]) {
    assert.equal(parseFilter(text), undefined, JSON.stringify(text))
  }
  for (const text of ['/', '#', '+', '/#', '+/+', '+//+/#', 'a b', 'a\n/+', '%u', `${longest}a`]) {
    assert.notEqual(parseFilter(text), undefined, JSON.stringify(text))
  }
})

test('a shared subscription is its filter', () => {
  assert.deepEqual(parseSubscription('$share/group/a/+'), parseFilter('a/+'))
  assert.deepEqual(parseSubscription('$share/group//'), parseFilter('/'))
  assert.deepEqual(parseSubscription('$share/group/$SYS/#'), parseFilter('$SYS/#'))
  assert.deepEqual(parseSubscription('$shared/a'), parseFilter('$shared/a'))
  for (const text of ['$share/', '$share/group', '$share/group/', '$share//a', '$share/+/a', '$share/g#/a', '$share/group/a#']) {
    assert.equal(parseSubscription(text), undefined, text)
  }
})
