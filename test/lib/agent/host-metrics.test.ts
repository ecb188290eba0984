import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostMetricGroups } from '../../../lib/agent/host-metric-groups.ts'
import { hostMetrics } from '../../../lib/agent/host-metrics.ts'
import { agentDefaults } from '../../../nodes/platziverse-agent/config.ts'

test('every metric of this host is a finite number, or null where the machine has no such sensor', async () => {
  const measured = await Promise.all(hostMetrics().map(async ({ type, measure }) => ({ type, value: await measure() })))
  assert.deepEqual(measured.map(({ type }) => type), ['cpuLoad', 'memoryUsed', 'memoryUsedPercent', 'cpuTemperature', 'diskUsedPercent', 'networkReceived', 'networkSent'])
  const value = Object.fromEntries(measured.map(({ type, value }) => [type, value]))
  for (const type of ['cpuLoad', 'memoryUsedPercent', 'diskUsedPercent']) assert.ok(value[type]! >= 0 && value[type]! <= 100, `${type} is ${value[type]}`)
  assert.ok(value['memoryUsed']! > 1_000_000)
  for (const type of ['cpuTemperature', 'networkReceived', 'networkSent']) assert.ok(value[type] === null || Number.isFinite(value[type]), `${type} is ${value[type]}`)
})

test('a second round measures again', async () => {
  const metrics = hostMetrics(['cpu', 'temperature', 'network'])
  for (let round = 0; round < 2; round++) {
    for (const value of await Promise.all(metrics.map(({ measure }) => measure()))) assert.ok(value === null || Number.isFinite(value))
  }
})

test('only the chosen groups are measured', () => {
  assert.deepEqual(hostMetrics(['disk', 'cpu']).map(({ type }) => type), ['diskUsedPercent', 'cpuLoad'])
  assert.deepEqual(hostMetrics([]), [])
})

test('the library and the node know the same groups', () => {
  const savedGroups = Object.keys(agentDefaults).filter(name => typeof agentDefaults[name as keyof typeof agentDefaults] === 'boolean' && !['hasLogin', 'commands'].includes(name))
  assert.deepEqual(hostMetricGroups, savedGroups)
})
