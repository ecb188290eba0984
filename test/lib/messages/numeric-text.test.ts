import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbersFromTexts } from '../../../lib/messages/numeric-text.ts'

for (const [text, number] of [['21.5', 21.5], ['-3', -3], ['+4', 4], ['  7.25 ', 7.25], ['0', 0], ['0.5', 0.5], ['1e3', 1000], ['2.5E-1', 0.25], ['100', 100], ['9007199254740991', 9007199254740991], ['0.1234567890123456789', 0.12345678901234568]] as const) {
  test(`${JSON.stringify(text)} is a number`, () => { assert.deepEqual(numbersFromTexts([{ type: 'a', value: text }, { type: 'b', value: 'x' }]), [{ type: 'a', value: number }, { type: 'b', value: 'x' }]) })
}

for (const text of ['', ' ', '21,5', '1 000', '1_000', '0x10', '007', '-00.5', '.5', '5.', 'NaN', 'Infinity', '1e999', '21.5°C', '9007199254740993', '12345678901234567890', 'true', '1.2.3', '--1', '1e']) {
  test(`${JSON.stringify(text)} stays a text`, () => {
    const metrics = [{ type: 'a', value: text }]
    assert.equal(numbersFromTexts(metrics), metrics)
  })
}
