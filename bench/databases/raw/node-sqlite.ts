import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { SqliteOptions } from '../../../lib/store/dialects/options.ts'
import { firstSeries, metricsPerMessage, type Sample } from '../messages.ts'
import type { Place } from '../place.ts'
import type { RawConnection, Rival } from './rivals.ts'
import { jsonOfMessages, jsonOfRows, messagesOfJson, rowsOfJson, sortedMessagesOfJson } from './sqlite.ts'

/** A JSON text is bound as it is; numbers are four for each metric, inserted one by one in a transaction. */
export interface WorkerOrder { filename: string, sql: string }

const insertRow = 'insert into metrics_settled (series_id, ts, seq, value) values (?, ?, ?, ?)'

export const nodeSqliteRivals: Rival[] = [
  { name: 'node:sqlite, json_each of rows', open: place => open(place, rowsOfJson, jsonOfRows) },
  { name: 'node:sqlite, json_each of messages', open: place => open(place, messagesOfJson, jsonOfMessages) },
  { name: 'node:sqlite, json_each of messages, sorted', open: place => open(place, sortedMessagesOfJson, jsonOfMessages) },
  { name: 'node:sqlite, a prepared insert for each row', open: place => open(place, insertRow, numbersOf) }
]

function numbersOf (samples: Sample[]): Float64Array<ArrayBuffer> {
  const numbers = new Float64Array(samples.length * metricsPerMessage * 4)
  let at = 0
  for (const { agent, ts, seq, value } of samples) {
    const first = firstSeries(agent)
    for (let series = first; series < first + metricsPerMessage; series++) {
      numbers[at++] = series
      numbers[at++] = ts
      numbers[at++] = seq
      numbers[at++] = value
    }
  }
  return numbers
}

/** In a thread, as its calls block. */
async function open ({ options }: Place, sql: string, prepare: (samples: Sample[]) => string | Float64Array<ArrayBuffer>): Promise<RawConnection> {
  const workerData: WorkerOrder = { filename: (options as SqliteOptions).filename, sql }
  const worker = new Worker(new URL('node-sqlite-worker.ts', import.meta.url), { workerData })
  return {
    prepare,
    async insert (batch: string | Float64Array<ArrayBuffer>) {
      worker.postMessage(batch, batch instanceof Float64Array ? [batch.buffer] : [])
      await once(worker, 'message')
    },
    async close () {
      worker.postMessage(null)
      await once(worker, 'exit')
    }
  }
}
