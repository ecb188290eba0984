import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerOrder } from './node-sqlite.ts'
import { pragmas } from './sqlite.ts'

const { filename, sql } = workerData as WorkerOrder
const database = new DatabaseSync(filename)
database.exec(pragmas)
const statement = database.prepare(sql)

parentPort?.on('message', (batch: string | Float64Array | null) => {
  if (batch === null) {
    database.close()
    process.exit()
  }
  if (typeof batch === 'string') statement.run(batch)
  else {
    database.exec('begin')
    for (let at = 0; at < batch.length; at += 4) statement.run(batch[at]!, batch[at + 1]!, batch[at + 2]!, batch[at + 3]!)
    database.exec('commit')
  }
  parentPort?.postMessage('committed')
})
