import assert from 'node:assert/strict'
import { test } from 'node:test'
import { good, statusLine } from '../../nodes/shared/status.ts'
import type { RedNode } from '../../nodes/shared/red.ts'
import { until } from '../helpers/events.ts'

test('a status is worked out when it is shown, not each time that something changes', async () => {
  const shown: unknown[] = []
  const line = statusLine({ status: (status: unknown) => { shown.push(status) } } as RedNode)
  let clients = 0
  let asked = 0
  for (let i = 0; i < 10_000; i++) {
    clients++
    line.show(() => {
      asked++
      return good(`${clients} clients`)
    })
  }
  await until(() => shown.length, count => count === 2)
  assert.deepEqual(shown, [good('1 clients'), good('10000 clients')])
  assert.equal(asked, 2)
  line.show(() => undefined)
  line.show(good('listening'))
  await until(() => shown.length, count => count === 3)
  assert.deepEqual(shown[2], good('listening'))
  line.close()
  line.show(() => assert.fail('closed'))
  assert.deepEqual(shown[3], {})
})
