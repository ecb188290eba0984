import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Agent, type AgentOptions } from '../../../lib/agent/agent.ts'
import { defaultUuidFile, keptUuid } from '../../../lib/agent/identity.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const wrong: Array<[options: AgentOptions, detail: RegExp]> = [
  [{ interval: 0 }, /^interval must be a whole number/],
  [{ interval: '5' as never }, /^interval must be/],
  [{ buffer: 1.5 }, /^buffer must be/],
  [{ metricTimeout: 2 ** 31 }, /^metricTimeout must be/],
  [{ reconnect: { min: -1 } }, /^reconnect\.min must be/],
  [{ reconnect: { max: 0 } }, /^reconnect\.max must be/],
  [{ mqtt: { url: '127.0.0.1' } }, /^mqtt\.url must be/],
  [{ mqtt: { url: 'http://127.0.0.1' } }, /^mqtt\.url must be/],
  [{ mqtt: { url: 'mqtt://127.0.0.1:99999' } }, /^mqtt\.url must be/],
  [{ uuid: '' }, /^uuid must/],
  [{ uuid: 'a\nb' }, /^uuid must/],
  [{ name: 'x'.repeat(256) }, /^name must/],
  [{ username: 'x'.repeat(256) }, /^username must/]
]

for (const [options, detail] of wrong) {
  test(`${JSON.stringify(options).slice(0, 60)} is refused and named`, () => {
    assert.throws(() => new Agent({ uuid: 'a', ...options }), (error: { code: string, detail: string }) => {
      assert.equal(error.code, 'AGENT_OPTION_INVALID')
      assert.match(error.detail, detail)
      return true
    })
  })
}

test('an agent without options is called after its host', async t => {
  const agent = new Agent({ uuidFile: join(await temporaryFolder(t), 'a') })
  assert.deepEqual(agent.identity, { uuid: agent.uuid, name: hostname(), hostname: hostname(), pid: process.pid })
  assert.equal(agent.connected, false)
})

test('a uuid file that cannot be made is named with what to do', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  const uuidFile = join(folder, 'file', 'agent.uuid')
  assert.throws(() => new Agent({ uuidFile }), { code: 'AGENT_OPTION_INVALID', message: /uuidFile: the uuid cannot be kept .+ name a file that can be written/ })
})

test('a uuid file with something else in it is named and left alone', async t => {
  const uuidFile = join(await temporaryFolder(t), 'agent.uuid')
  await writeFile(uuidFile, 'two\nlines')
  assert.throws(() => new Agent({ uuidFile }), { code: 'AGENT_OPTION_INVALID', message: new RegExp(`^AGENT_OPTION_INVALID: uuid must .+ It came from ${uuidFile}`) })
  assert.equal(await readFile(uuidFile, 'utf8'), 'two\nlines')
})

test('an empty uuid file, as a power cut leaves it, is filled', async t => {
  const file = join(await temporaryFolder(t), 'agent.uuid')
  await writeFile(file, '')
  const uuid = keptUuid(file)
  assert.equal(await readFile(file, 'utf8'), `${uuid}\n`)
  assert.equal(keptUuid(file), uuid)
})

test('a uuid file that cannot be read is an error, and not a new uuid', async t => {
  const folder = await temporaryFolder(t)
  assert.throws(() => keptUuid(folder), { code: 'EISDIR' })
})

test('each name has a uuid file of its own, safe as a file name', () => {
  const names = ['roof', 'Roof', '../roof', 'a/b', 'a_b', 'ñandú', 'x'.repeat(255), '\ud800']
  const files = names.map(defaultUuidFile)
  assert.equal(new Set(files).size, names.length)
  for (const file of files) assert.match(file, /platziverse[\\/]agent-[\w.-]{1,60}-[0-9a-f]{8}\.uuid$/)
})
