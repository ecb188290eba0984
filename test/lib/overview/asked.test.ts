import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlatziverseError } from '../../../lib/errors.ts'
import { readAsked } from '../../../lib/overview/asked.ts'

test('whoever asks for nothing in particular gets everything', () => {
  assert.deepEqual(readAsked({}), { parts: ['brokers', 'clients', 'agents', 'retained'], search: '', database: '', broker: '', clients: 500, agents: 500, retained: 500, read: false, open: [] })
})

test('a question is bounded in everything', () => {
  const wrong: object[] = [
    { parts: ['users'] }, { parts: 'agents' }, { parts: ['agents', 'agents', 'agents', 'agents', 'agents'] },
    { search: 'a'.repeat(129) }, { search: 7 }, { search: 'a\0b' },
    { agents: 501 }, { agents: 0 }, { clients: 1.5 }, { clients: '50' },
    { open: Array.from({ length: 21 }, (_, i) => `agent ${i}`) }, { open: [7] }, { open: [''] }, { database: {} }, { broker: 7 }, { retained: 501 }
  ]
  for (const body of wrong) {
    assert.throws(() => readAsked(body as Record<string, unknown>), (error: unknown) => error instanceof PlatziverseError && error.code === 'ADMIN_REQUEST_INVALID', JSON.stringify(body))
  }
})
