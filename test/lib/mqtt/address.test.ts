import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMqttAddress, shownAddress } from '../../../lib/mqtt/address.ts'

test('the login of an address is what was meant, whatever is in it', () => {
  const cases: Array<[string, object]> = [
    ['mqtt://127.0.0.1:8083', { url: 'mqtt://127.0.0.1:8083' }],
    ['mqtt://ana:p%3Ass%40w%2Ford@[::1]:1883', { url: 'mqtt://[::1]:1883', username: 'ana', password: 'p:ss@w/ord' }],
    ['mqtts://a%3Ab:c@host', { url: 'mqtts://host', username: 'a:b', password: 'c' }],
    ['mqtt://ana:with:colons@host', { url: 'mqtt://host', username: 'ana', password: 'with:colons' }],
    ['ws://jos%C3%A9:%F0%9F%94%91@host/mqtt?a=b', { url: 'ws://host/mqtt?a=b', username: 'jos\u00e9', password: '\u{1f511}' }],
    ['mqtt://ana@host', { url: 'mqtt://host', username: 'ana' }],
    ['mqtt://ana:100%@host', { url: 'mqtt://host', username: 'ana', password: '100%' }],
    ['no address', { url: 'no address' }]
  ]
  for (const [address, expected] of cases) assert.deepEqual(readMqttAddress(address), expected, address)
})

test('an address is shown without what may be a login, and not at any length', () => {
  assert.deepEqual(['mqtt://ana:p@ss@host:1', 'ana:secret@host', 'host', ''].map(shownAddress), ['"host:1"', '"host"', '"host"', '""'])
  assert.ok(shownAddress('x'.repeat(100_000)).length < 300)
})
