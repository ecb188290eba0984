import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { now, open } from '../../../../databases/writing-process.ts'
import { files, onEachDatabase } from '../../../../helpers/databases.ts'

const most = 16_000_000

// superseriousbusiness/gotosocial#2808, DeusData/codebase-memory-mcp#1083, BYK/loreai#1221
onEachDatabase('what a long reading, such as an export, kept in the log is given back to the disk once it has ended', async (t, database) => {
  const { write } = open(t, database)
  const send = async (from: number, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, i) => write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 't', value: 'x'.repeat(1_000) }], timestamp: now + from + i })))
  }
  const { filename } = database.options as { filename: string }
  const log = async (): Promise<number> => (await stat(`${filename}-wal`)).size
  await send(0, 1)
  const reading = await database.query.transaction()
  try {
    await reading('agents').first()
    for (let i = 0; i < 12; i++) await send(1 + 2_000 * i, 2_000)
    assert.ok(await log() > most)
  } finally {
    await reading.rollback()
  }
  await send(100_000, 1_000)
  await send(200_000, 1_000)
  assert.ok(await log() <= most, `${await log()} bytes`)
}, files)
