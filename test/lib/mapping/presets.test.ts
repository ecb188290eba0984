import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { presets } from '../../../lib/mapping/presets/presets.ts'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import { devices } from '../../fixtures/devices/devices.ts'
import { said } from '../../fixtures/devices/recorded.ts'

describe('presets', () => {
  test('are those of which there are recordings', () => {
    assert.deepEqual(presets.map(({ id }) => id), Object.keys(devices))
  })

  for (const { id, label, rules } of presets) {
    test(`${label} is read as its devices publish`, () => {
      const table = new RuleTable(rules)
      assert.deepEqual(table.problems, [])
      for (const { topic, payload, says } of devices[id] ?? []) {
        const read = table.read(topic, Buffer.from(payload), Date.now())
        if (says === 'nobody') assert.equal(read, undefined, topic)
        else assert.deepEqual(read?.ok ? read.readings.map(said) : read, says, `${topic} ${String(payload)}`)
      }
    })
  }

  test('can be used together, but for the two of Telegraf', () => {
    const together = presets.filter(({ id }) => id !== 'telegraf-json')
    const table = new RuleTable(together.flatMap(({ rules }) => rules))
    assert.deepEqual(table.problems, [])
    for (const { id } of together) {
      for (const { topic, payload, says } of devices[id] ?? []) {
        if (says === 'nobody') continue
        const read = table.read(topic, Buffer.from(payload), Date.now())
        assert.deepEqual(read?.ok ? read.readings.map(said) : read, says, `${topic} ${String(payload)}`)
      }
    }
  })
})
