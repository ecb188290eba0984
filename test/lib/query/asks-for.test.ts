import assert from 'node:assert/strict'
import { asksFor } from '../../../lib/query/asks-for.ts'
import { ask, type Answer } from '../../../lib/query/ask.ts'
import { parseQuery } from '../../../lib/query/parse.ts'
import { queryNames } from '../../../lib/query/series/names.ts'
import { now, open } from '../../databases/writing-process.ts'
import { onEachDatabase } from '../../helpers/databases.ts'
import { reading } from '../../helpers/messages.ts'

const second = 1_000

onEachDatabase('each question gets what was committed before it', async (t, database) => {
  const { store, write } = open(t, database)
  let at = now
  const report = async (value: unknown): Promise<void> => {
    at += second
    await write('agent/message', reading('a', { agent: { uuid: 'a', username: 'home' }, timestamp: at, metrics: [{ type: 't', value }] }), at)
  }
  for (let i = 0; i < 3; i++) await report(i)
  for (const name of queryNames) {
    // The newest value is a text, or is none any more: whether a series has numbers shows by it.
    for (const value of ['a text', 1]) {
      await report(value)
      const query = parseQuery({ query: name, uuid: 'a', type: 't', username: 'home', from: now, to: at + second, bucket: '1s' }, at)
      const answer = async (what: ReturnType<typeof asksFor>): Promise<Answer | undefined> => {
        for await (const answer of ask(await store.read(what), query, { result: 'objects', most: 100 })) return answer
        return undefined
      }
      const asked = await answer(asksFor(query))
      assert.deepEqual(asked, await answer('newest'), name)
      assert.ok(asked?.rows, name)
    }
  }
})
