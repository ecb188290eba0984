import pg, { type Connection, type Submittable } from 'pg'
import type { ServerOptions } from '../../../lib/store/dialects/options.ts'
import { firstSeries, metricsPerMessage, type Sample } from '../messages.ts'
import type { Place } from '../place.ts'
import type { RawConnection, Rival } from './rivals.ts'
import { textOf } from './text.ts'

const unnest = `insert into metrics (series_id, ts, seq, value)
  select * from unnest($1::int[], $2::bigint[], $3::bigint[], $4::float8[])`

export const postgresqlRivals: Rival[] = [
  { name: 'pg, unnest of arrays', open: place => open(place, arraysOf, (client, arrays) => client.query(unnest, arrays)) },
  { name: 'pg, COPY', open: place => open(place, linesOf, copy) }
]

/** Four arrays as PostgreSQL reads them: the driver's own way takes longer. */
function arraysOf (samples: Sample[]): string[] {
  const [ids, times, seqs, values]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (const { agent, ts, seq, value } of samples) {
    const first = firstSeries(agent)
    for (let series = first; series < first + metricsPerMessage; series++) {
      ids.push(series)
      times.push(ts)
      seqs.push(seq)
      values.push(value)
    }
  }
  return [ids, times, seqs, values].map(column => `{${column.join(',')}}`)
}

const linesOf = (samples: Sample[]): Buffer =>
  Buffer.from(textOf(samples, (series, { ts, seq, value }) => `${series}\t${ts}\t${seq}\t${value}\n`, ''))

/** Not in its types. */
interface CopyConnection extends Connection { sendCopyFromChunk (chunk: Buffer): void, endCopyFrom (): void }

/** What pg-copy-streams does, for lines that are there already. */
function copy (client: pg.Client, lines: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const copying: Submittable & Record<string, unknown> = {
      submit (connection) { connection.query('copy metrics (series_id, ts, seq, value) from stdin') },
      handleCopyInResponse (connection: CopyConnection) {
        connection.sendCopyFromChunk(lines)
        connection.endCopyFrom()
      },
      handleError: reject,
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => { resolve() }
    }
    client.query(copying)
  })
}

async function open<Batch> (
  { options }: Place, prepare: (samples: Sample[]) => Batch, insert: (client: pg.Client, batch: Batch) => Promise<unknown>
): Promise<RawConnection> {
  const { host, port, user, password, database } = options as ServerOptions
  const client = new pg.Client({ host, port, user, password, database } as pg.ClientConfig)
  await client.connect()
  return {
    prepare,
    insert: async batch => { await insert(client, batch as Batch) },
    close: () => client.end()
  }
}
