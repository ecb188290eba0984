import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type * as Messages from '../../../lib/messages/parse.ts'
import { jsonSchema } from '../../../lib/messages/schema.ts'
import { packageDir } from '../../helpers/node-red.ts'

const file = join(packageDir, 'docs', 'messages.schema.json')
const read = async (): Promise<{ $defs: Record<string, TSchema> }> => JSON.parse(await readFile(file, 'utf8')) as { $defs: Record<string, TSchema> }

suite('what other programs get', () => {
  test('the JSON Schema in docs is the one that messages are checked against', async () => {
    assert.deepEqual(await read(), JSON.parse(JSON.stringify(jsonSchema())), `write ${JSON.stringify(jsonSchema(), null, 2)} into docs/messages.schema.json`)
  })

  test('read from the file, it tells good payloads from bad ones as the package does', async () => {
    const { $defs } = await read()
    const { parse, topics } = await exported()
    const agent = { uuid: 'a' }
    const payloads: Record<keyof typeof topics, unknown[]> = {
      message: [
        { agent, metrics: [{ type: 't', value: 1 }] }, { agent, metrics: [{ type: 't', value: true }], timestamp: '2026-01-01T00:00:00Z', seq: 1 },
        { agent }, { agent, metrics: [] }, { agent: {}, metrics: [{ type: 't', value: 1 }] }, { agent, metrics: [{ type: '', value: 1 }] }, { agent, metrics: [{ type: 't', value: null }] }
      ],
      connected: [{ agent }, { agent: { uuid: 'a', username: 'u', name: 'n', hostname: 'h', pid: 1 } }, { agent: { uuid: '' } }, { agent: { uuid: 'a', pid: -1 } }, {}],
      disconnected: [{ agent }, { agent: { uuid: 'a'.repeat(129) } }, { agent: 'a' }]
    }
    for (const kind of ['message', 'connected', 'disconnected'] as const) {
      const schema = Compile($defs[kind] as TSchema)
      const verdicts = payloads[kind].map(payload => [schema.Check(payload), parse(topics[kind], payload, 1_700_000_000_000).ok])
      assert.deepEqual(verdicts.map(([one]) => one), verdicts.map(([, other]) => other), kind)
      assert.deepEqual([...new Set(verdicts.flat())].sort(), [false, true], kind)
    }
  })

  test('a program that imports the package by its name checks a message, and knows why one is bad', async () => {
    const { parse, rejectReasons, schemas, topics } = await exported()
    const good = parse(topics.message, '{"agent":{"uuid":"a"},"metrics":[{"type":"t","value":1}]}', 1_700_000_000_000)
    assert.deepEqual(good.ok && good.message.payload, { agent: { uuid: 'a' }, metrics: [{ type: 't', value: 1 }], timestamp: 1_700_000_000_000 })
    const bad = parse(topics.message, '{"agent":{"uuid":"a"}}', 1_700_000_000_000)
    assert.ok(!bad.ok && bad.reason in rejectReasons && bad.detail.includes('metrics'))
    assert.deepEqual(Object.keys(schemas), Object.keys(topics))
  })
})

/** As somebody else's program gets it, from what was built. */
async function exported (): Promise<typeof Messages> {
  const name = (JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { name: string }).name
  return await import(`${name}/messages`) as typeof Messages
}
