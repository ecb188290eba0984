import { insertRows, openDatabase, type Row } from './database.ts'

// d2: node inserts.ts <port> <database>; on the message {seconds} inserts as fast as it can for so long, one statement in
// flight, and answers {rows, seconds}. A batch is half of the load's window, as group commit makes it: 500 messages of 5.
const series = 100
const rowsPerBatch = 2500
const database = await openDatabase(process.argv[3] ?? '')
let made = 0

function nextBatch (): string {
  const rows: Row[] = Array.from({ length: rowsPerBatch }, () => [made % series, 1_790_000_000_000 + Math.floor(made / series), made++, 42.1234567, null])
  return JSON.stringify(rows)
}

process.on('message', async ({ seconds }: { seconds?: number }) => {
  if (seconds === undefined) return
  const start = performance.now()
  let rows = 0
  let next = nextBatch()
  while (performance.now() - start < seconds * 1000) {
    const batch = next
    const stored = new Promise<void>((resolve, reject) => { database.run(insertRows, [batch], error => error ? reject(error) : resolve()) })
    next = nextBatch()
    await stored
    rows += rowsPerBatch
  }
  process.send?.({ rows, seconds: (performance.now() - start) / 1000 })
})
process.send?.({ ready: true })
