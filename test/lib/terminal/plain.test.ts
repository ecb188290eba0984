import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutTo, fit, plain, plainJson, widthOf } from '../../../lib/terminal/plain.ts'

/** What a terminal obeys: sequences of 7 and 8 bits, bells, deletions, and text that runs the other way. */
const hostile = ['\x1b[2J', '\x1b]0;title\x07', '\x1b]52;c;ZWNobw==\x07', '\x9b31m', '\x90q', '\r', '\n', '\b\b\b', '\x7f', '\u202Egnp.exe', '\u2066', '\u200B', '\u2028', '\ud800', '\0', '\u0085']

for (const text of hostile) {
  test(`${JSON.stringify(text)} never reaches the terminal`, () => {
    const shown = plain(`a${text}b`)
    assert.doesNotMatch(shown, /[\p{C}\p{Zl}\p{Zp}]/u)
    assert.ok(shown.startsWith('a') && shown.endsWith('b'))
    const json = plainJson({ [text]: text })
    assert.doesNotMatch(json, /[\p{C}\p{Zl}\p{Zp}]/u)
    assert.deepEqual(JSON.parse(json), { [text]: text })
  })
}

test('what people write stays as it is', () => {
  for (const text of ['Cocina', 'ñandú', '台所', 'кухня', 'مطبخ', 'Tür 🚪', 'a b']) assert.equal(plain(text), text)
})

test('letters do not carry more marks than any language gives them', () => {
  assert.equal(plain(`a${'\u0301'.repeat(500)}b`, 1000), 'a\u0301\u0301b')
})

test('of a long text only the beginning is looked at', () => {
  assert.equal(plain('x'.repeat(1_000_000), 10), `${'x'.repeat(10)}…`)
})

test('texts fill their columns, whatever they are made of', () => {
  for (const text of ['', 'short', 'much longer than that', '台所台所台所', 'e\u0301e\u0301', '🚪🚪🚪🚪🚪🚪', 'ａｂｃｄｅｆｇ']) {
    for (const columns of [1, 2, 5, 9, 30]) {
      assert.ok(widthOf(cutTo(text, columns)) <= columns, `${text} in ${columns}`)
      assert.equal(widthOf(fit(text, columns)), columns, `${text} in ${columns}`)
    }
  }
  assert.equal(fit('5', 3, 'right'), '  5')
  assert.equal(cutTo('abcdef', 4), 'abc…')
  assert.equal(cutTo('abcdef', 0), '')
})
