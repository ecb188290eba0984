import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlatziverseError } from '../../../../lib/errors.ts'
import { checkRetention, type RetentionOptions } from '../../../../lib/store/retention/policy.ts'

const forEver: RetentionOptions = { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] }

test('what is fine may not be kept for longer than what is coarse', () => {
  const check = (rawDays: number, hourDays: number, dayDays: number) => { checkRetention({ rawDays, hourDays, dayDays, overrides: [] }) }
  check(0, 0, 0)
  check(30, 365, 0)
  check(30, 0, 0)
  check(7, 7, 7)
  const refused = (detail: RegExp, act: () => void) => {
    assert.throws(act, error => error instanceof PlatziverseError && error.code === 'STORE_RETENTION_INVALID' && detail.test(error.detail))
  }
  refused(/^rawDays is 31, more than hourDays, which is 30/, () => { check(31, 30, 0) })
  refused(/^hourDays is 9, more than dayDays/, () => { check(1, 9, 8) })
  refused(/^rawDays is 0, for ever, but hourDays is 30/, () => { check(0, 30, 0) })
  refused(/^hourDays is 0, for ever, but dayDays is 30/, () => { check(1, 0, 30) })
  refused(/^rawDays is not a whole number/, () => { check(1.5, 2, 3) })
  refused(/^hourDays is not a whole number/, () => { check(1, -2, 3) })
  const days = { rawDays: 2, hourDays: 1, dayDays: 0 }
  refused(/^rawDays of the type "cpu" is 2/, () => { checkRetention({ ...forEver, overrides: [{ type: 'cpu', ...days }] }) })
  refused(/two overrides/, () => { checkRetention({ ...forEver, overrides: [{ type: 'cpu', ...forEver }, { type: 'cpu', ...forEver }] }) })
  refused(/no type/, () => { checkRetention({ ...forEver, overrides: [{ type: '', ...forEver }] }) })
})
