import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { PlatziverseError } from '../../../../lib/errors.ts'
import { interestOf } from '../../../../lib/query/live/interest.ts'
import { LiveQuestions } from '../../../../lib/query/live/live-questions.ts'
import { parseQuery, type QueryInput } from '../../../../lib/query/parse.ts'
import { Feed } from '../../../../lib/store/feed.ts'
import { message } from '../../../helpers/messages.ts'
import { until } from '../../../helpers/events.ts'

const report = (uuid: string, ...types: string[]) => ({ message: message('agent/message', { agent: { uuid }, metrics: types.map(type => ({ type, value: 1 })), timestamp: 1 }) })
const connected = (uuid: string) => ({ message: message('agent/connected', { agent: { uuid } }) })

function follow (t: TestContext) {
  const feed = new Feed()
  const live = new LiveQuestions(feed)
  t.after(() => { live.close() })
  /** Times at which each question was asked. */
  const asked: Record<string, number[]> = {}
  const errors: unknown[] = []
  interface Options { every?: number, ask?: (isWanted: () => boolean) => Promise<void> }
  const start = async (key: string, query: QueryInput, { every = 1, ask = async () => {} }: Options = {}): Promise<void> => {
    asked[key] = []
    await live.start(key, {
      interest: interestOf(parseQuery({ from: '-1h', bucket: '1m', ...query }, 7_200_000)),
      every,
      ask: async isWanted => {
        asked[key]?.push(performance.now())
        await ask(isWanted)
      },
      failed: error => { errors.push(error) }
    })
  }
  const times = (key: string): number => asked[key]?.length ?? 0
  return { feed, live, asked, errors, start, times, count: (key: string, n: number) => until(() => times(key), found => found >= n) }
}

test('a question is asked at once, and again when what it is about is stored, and nothing else', async t => {
  const { feed, start, times, count } = follow(t)
  await start('one', { query: 'series', uuid: 'a', type: 'cpu' })
  await start('several', { query: 'buckets', uuid: ['a', 'b'], type: ['cpu', 'memory'] })
  await start('all', { query: 'latestOfAll' })
  await start('agents', { query: 'agents' })
  assert.deepEqual(['one', 'several', 'all', 'agents'].map(times), [1, 1, 1, 1])
  feed.tell([connected('a'), report('c', 'cpu'), report('a', 'disk')])
  await Promise.all([count('all', 2), count('agents', 2)])
  feed.tell([report('b', 'disk', 'memory')])
  await Promise.all([count('several', 2), count('all', 3), count('agents', 3)])
  feed.tell([report('a', 'cpu')])
  await Promise.all([count('one', 2), count('several', 3)])
  assert.deepEqual(['one', 'several'].map(times), [2, 3])
})

test('an agent that is forgotten is a reason to ask again where it may be in the answer', async t => {
  const { feed, start, times, count } = follow(t)
  await start('agents', { query: 'agents' })
  await start('all', { query: 'typeBuckets', type: 'cpu' })
  await start('one', { query: 'series', uuid: ['a', 'b'], type: 'cpu' })
  await start('other', { query: 'latest', uuid: 'c' })
  feed.tellForgotten('b')
  await Promise.all(['agents', 'all', 'one'].map(key => count(key, 2)))
  assert.equal(times('other'), 1)
})

test('whatever is stored, a question is asked no more often than it may be, and not while it is being asked', async t => {
  const { feed, start, asked, count } = follow(t)
  let atOnce = 0
  await start('q', { query: 'latest', uuid: 'a' }, {
    every: 50,
    ask: async () => {
      assert.equal(++atOnce, 1)
      feed.tell([report('a', 'cpu'), report('a', 'cpu')])
      await new Promise(resolve => setImmediate(resolve))
      atOnce--
    }
  })
  await count('q', 4)
  const times = asked.q ?? []
  for (const [i, time] of times.entries()) if (i > 0) assert.ok(time - (times[i - 1] as number) >= 49, `${time - (times[i - 1] as number)} ms`)
})

test('an answer that takes long is followed by as long a rest', async t => {
  const { feed, start, asked, count } = follow(t)
  await start('q', { query: 'latest', uuid: 'a' }, {
    ask: async () => {
      const until = performance.now() + 60
      feed.tell([report('a', 'cpu')])
      while (performance.now() < until) await new Promise(resolve => setImmediate(resolve))
    }
  })
  await count('q', 3)
  const [first = 0, second = 0, third = 0] = asked.q ?? []
  assert.ok(second - first >= 119 && third - second >= 119, `${second - first}, ${third - second}`)
})

test('a question that has ended is wanted no longer, and nobody listens for it', async t => {
  const { feed, live, start, times, count } = follow(t)
  let wanted: (() => boolean) | undefined
  await start('q', { query: 'agents' }, { ask: async isWanted => { wanted = isWanted } })
  assert.deepEqual([wanted?.(), feed.isHeard, live.size], [true, true, 1])
  const before = wanted
  await start('q', { query: 'agents' }, { ask: async isWanted => { wanted = isWanted } })
  assert.deepEqual([before?.(), wanted?.(), live.size], [false, true, 1])
  feed.tell([connected('a')])
  live.end('q')
  assert.deepEqual([wanted?.(), feed.isHeard, live.size], [false, false, 0])
  await start('other', { query: 'agents' })
  feed.tell([connected('a')])
  await count('other', 2)
  assert.equal(times('q'), 1, 'what was planned before it ended is not done')
})

test('a failure is told once in a row, and a question that never makes sense ends', async t => {
  const { feed, live, start, errors, count } = follow(t)
  const answers = [undefined, 'QUERY_FAILED', 'QUERY_FAILED', undefined, 'QUERY_FAILED', 'QUERY_AGENT_UNKNOWN', undefined] as const
  let i = 0
  await start('q', { query: 'agents' }, {
    ask: async () => {
      const code = answers[i++]
      if (i < answers.length) feed.tell([connected('a')])
      if (code !== undefined) throw new PlatziverseError(code, 'As the test says.')
    }
  })
  await count('q', answers.length)
  assert.deepEqual(errors.map(error => (error as PlatziverseError).code), ['QUERY_FAILED', 'QUERY_FAILED', 'QUERY_AGENT_UNKNOWN'])
  await assert.rejects(start('wrong', { query: 'agents' }, { ask: async () => { throw new PlatziverseError('QUERY_INVALID', 'It says nothing.') } }), { code: 'QUERY_INVALID' })
  assert.equal(live.size, 1)
  await assert.rejects(start('early', { query: 'agents' }, { ask: async () => { throw new PlatziverseError('QUERY_AGENT_UNKNOWN', 'Not yet.') } }), { code: 'QUERY_AGENT_UNKNOWN' })
  assert.equal(live.size, 2, 'an agent may still come')
})

test('a question that the database could not answer is asked again until it can, without anything stored, and told once', async t => {
  const { live, start, errors, times, count } = follow(t)
  let failures = 4
  await start('q', { query: 'agents' })
  live.end('q')
  await assert.rejects(start('q', { query: 'agents' }, {
    ask: async () => { if (failures-- > 0) throw new PlatziverseError(failures === 0 ? 'STORE_REFUSED_CONNECTION' : 'QUERY_FAILED', 'As the test says.') }
  }), { code: 'QUERY_FAILED' })
  await count('q', 5)
  assert.deepEqual(errors.map(error => (error as PlatziverseError).code), ['STORE_REFUSED_CONNECTION'])
  await start('unknown', { query: 'agent', uuid: 'a' }, { ask: async () => { throw new PlatziverseError('QUERY_AGENT_UNKNOWN', 'Not yet.') } }).catch(() => undefined)
  await start('closed', { query: 'agents' }, { ask: async () => { throw new PlatziverseError('STORE_CLOSED', 'For good.') } }).catch(() => undefined)
  await start('ended', { query: 'agents' }, { ask: async () => { throw new PlatziverseError('QUERY_FAILED', 'As the test says.') } }).catch(() => undefined)
  live.end('ended')
  let left = 2
  await start('later', { query: 'agents' }, { ask: async () => { if (left-- > 0) throw new PlatziverseError('QUERY_FAILED', 'As the test says.') } }).catch(() => undefined)
  await count('later', 3)
  assert.deepEqual(['q', 'unknown', 'closed', 'ended'].map(times), [5, 1, 1, 1])
})

test('what is stored while the database could not be asked is asked for at once', async t => {
  const { feed, start, asked, count } = follow(t)
  let failures = 6
  await start('q', { query: 'agents' }, { ask: async () => { if (failures-- > 0) throw new PlatziverseError('QUERY_FAILED', 'As the test says.') } }).catch(() => undefined)
  for (let n = 2; n <= 7; n++) {
    feed.tell([connected('a')])
    await count('q', n)
  }
  const [first = 0, ...others] = asked.q ?? []
  assert.ok((others.at(-1) ?? 0) - first < 3_000, 'and not after six longer and longer waits')
})

test('there are a hundred live questions at most', async t => {
  const { live, start } = follow(t)
  for (let i = 0; i < 100; i++) await start(`q${i}`, { query: 'agents' })
  await assert.rejects(start('one more', { query: 'agents' }), { code: 'QUERY_LIVE_TOO_MANY' })
  await start('q7', { query: 'agents' })
  live.end('q8')
  await start('one more', { query: 'agents' })
})
