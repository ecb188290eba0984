import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitDefaults, readLimits } from '../../../lib/broker/limits.ts'

test('limits are read as numbers or text; what is no whole number from 0 up is the default, what MQTT cannot do is the most it can', () => {
  assert.deepEqual(readLimits(undefined), limitDefaults)
  const { connections, packetBytes, topicLevels, keepalive, messageRate } = readLimits({ connections: '5', packetBytes: 0, topicLevels: 1000, keepalive: -1, messageRate: '1.5', unknown: 3 })
  const expected = { connections: 5, packetBytes: 0, topicLevels: 100, keepalive: 0, messageRate: limitDefaults.messageRate }
  assert.deepEqual({ connections, packetBytes, topicLevels, keepalive, messageRate }, expected)
  const { receiveMaximum, topicAliases } = readLimits({ receiveMaximum: 70_000, topicAliases: 70_000 })
  assert.deepEqual({ receiveMaximum, topicAliases }, { receiveMaximum: 65_535, topicAliases: 65_535 })
})
