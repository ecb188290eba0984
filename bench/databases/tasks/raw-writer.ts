import { metricsPerMessage, sampler } from '../messages.ts'
import { openTables, readNumber, rowsIn } from '../place.ts'
import { openRival } from '../raw/rivals.ts'
import { task } from '../task.ts'
import type { RawWriterOrder, WriterFigures } from '../writers.ts'

/** A bare driver at full load: one batch is under way, and the next one is made meanwhile. It fills the table of metrics, on SQLite the one where they settle, and nothing else. */
await task<RawWriterOrder, WriterFigures>(async ({ place, rival, seconds, warmUp, messagesPerBatch }) => {
  const tables = await openTables(place)
  const connection = await openRival(rival, place)
  const next = sampler()
  const make = (): unknown => connection.prepare(Array.from({ length: messagesPerBatch }, next))
  let batch = make()
  let batches = 0
  const run = async (seconds: number): Promise<{ rows: number, seconds: number }> => {
    const start = performance.now()
    let rows = 0
    while (performance.now() - start < seconds * 1000) {
      const inserted = connection.insert(batch)
      batch = make()
      await inserted
      batches++
      rows += messagesPerBatch * metricsPerMessage
    }
    return { rows, seconds: (performance.now() - start) / 1000 }
  }
  await run(warmUp)
  const cpu = process.cpuUsage()
  const measured = await run(seconds)
  const { user, system } = process.cpuUsage(cpu)
  await connection.close()
  const rows = await readNumber(tables, rowsIn(tables))
  await tables.destroy()
  if (rows !== batches * messagesPerBatch * metricsPerMessage) throw new Error(`${batches} batches of ${messagesPerBatch} messages were written, and there are ${rows} metrics.`)
  return { rowsPerSecond: measured.rows / measured.seconds, messagesPerBatch, cpuPerRow: (user + system) / measured.rows }
})
