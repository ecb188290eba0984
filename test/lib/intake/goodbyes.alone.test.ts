import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'
import { publishPacket, rawClient } from '../../helpers/raw-client.ts'

test('a client with a hundred thousand agents may go without anybody waiting for their goodbyes', { timeout: 120_000 }, async t => {
  const broker = await openBroker(t, { limits: { messageRate: 0, packetRate: 0, byteRate: 0 } })
  const { heard, intake } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const client = await rawClient(t, broker.port, 'many')
  const packets = Array.from({ length: 100_000 }, (_, i) => publishPacket('agent/connected', `{"agent":{"uuid":"a${i}"}}`, 0))
  client.resume().write(Buffer.concat(packets))
  await until(() => intake.statistics().agents, n => n === 100_000, 60_000)
  let longest = 0
  let before = performance.now()
  const ticks = setInterval(() => {
    longest = Math.max(longest, performance.now() - before)
    before = performance.now()
  }, 1)
  t.after(() => { clearInterval(ticks) })
  client.destroy()
  await until(() => heard.length, n => n === 200_000, 60_000)
  await pause(20)
  t.diagnostic(`longest wait ${longest} ms`)
  assert.ok(longest < 300, `${longest} ms`)
  assert.equal(intake.statistics().agents, 0)
})
