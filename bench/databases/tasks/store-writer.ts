import { flood } from '../load.ts'
import { metricsPerMessage } from '../messages.ts'
import { dialectAt, openStore, readNumber, rowsIn, type Place } from '../place.ts'
import { task } from '../task.ts'
import type { WriterFigures, WriterOrder } from '../writers.ts'

/** The package's store at full load. */
await task<WriterOrder, WriterFigures>(async ({ place, seconds, warmUp, inFlight }) => {
  const { dialect, batches } = counting(place)
  const store = openStore(dialect)
  const warm = await flood(store, { inFlight, seconds: warmUp })
  const [cpu, before] = [process.cpuUsage(), batches()]
  const measured = await flood(store, { inFlight, seconds })
  const { user, system } = process.cpuUsage(cpu)
  const count = batches() - before
  // The last of each flood are not in its figures.
  const written = store.statistics().messages
  const rows = await readNumber(await store.read(), rowsIn(await store.read()))
  await store.close()
  if (rows !== written * metricsPerMessage || written < warm.messages + measured.messages) throw new Error(`${written} messages were committed, and there are ${rows} metrics.`)
  const metrics = measured.messages * metricsPerMessage
  const all = metrics + inFlight * metricsPerMessage
  return { rowsPerSecond: metrics / measured.seconds, messagesPerBatch: all / metricsPerMessage / count, cpuPerRow: (user + system) / all }
})

/** The dialect of the place, and how many batches it was given. */
function counting (place: Place): { dialect: ReturnType<typeof dialectAt>, batches: () => number } {
  const dialect = dialectAt(place)
  let count = 0
  return {
    dialect: { ...dialect, append (db, additions) { count++; return dialect.append(db, additions) } },
    batches: () => count
  }
}
