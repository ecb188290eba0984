import type { Knex } from 'knex'
import { hour } from '../../time.ts'
import { kindOf } from './database-kind.ts'
import type { Additions, LatestRow, Pending, WriterMark } from './dialect.ts'
import { isNewer, otherNewest, seriesIn, valueOf } from './metric-columns.ts'

/** ms: retention may delete a metric that is older before its series has it. */
const mostAge = hour
/** Characters of a text that waits. */
const mostText = 256
/** Series that wait. */
const most = 200_000
/** Rows that are written, or looked at, together. */
const mostRows = 5_000

export interface PendingNewestOptions {
  /** Write newest values where no newer ones are, in a transaction. */
  raise (db: Knex, rows: LatestRow[]): Promise<void>
  /** Wait, in a transaction, until everything is committed that was kept back before this process had its row in `writers`. */
  waitForOthers (db: Knex): Promise<unknown>
  /** What to throw where the row of the writer is not there. */
  missing (): Error
}

/** What is written now, and the newest values that are kept back. */
export interface Chosen extends Pick<Additions, 'latest' | 'seen'> { kept: LatestRow[] }

/**
 * Newest values of series that wait in memory, on a server: each costs a row in `series`, its log and its lock, as much as the metric itself. They are in `metrics`, where the
 * key finds them again after a crash: as long as a process keeps some back its row is in `writers`, and whoever finds another one's row there looks through the series.
 */
export class PendingNewest implements Pending {
  readonly needsRow = true
  /** Whether no other process writes, as far as is known. */
  isAlone = true
  readonly #options: PendingNewestOptions
  #latest = new Map<number, LatestRow>()
  /** Of a transaction that may not be committed. */
  #staged: LatestRow[] = []
  /** Whether this process has kept anything back since the series were looked through. */
  #hasKept = false
  /** Whether others may have values that are not written: nobody has looked yet. */
  #isNew = true
  /** Whether this process may have some: a commit of which no answer came, or another state of the database. */
  #isDoubtful = false
  #writer = ''

  constructor (options: PendingNewestOptions) {
    this.#options = options
  }

  get isThere (): boolean { return this.#latest.size > 0 }

  get isMuch (): boolean { return this.#latest.size > most }

  /** What of a batch is written now. */
  choose ({ messages, latest, seen, later, writer }: Additions): Chosen {
    if (later === undefined) return { latest, seen, kept: [] }
    const waits = this.isAlone && writer !== undefined
    const oldest = Date.now() - mostAge
    const [now, kept]: [LatestRow[], LatestRow[]] = [[...latest], []]
    for (const row of otherNewest(messages, seriesIn(latest))) (waits && row[1] > oldest && (typeof row[3] === 'number' || row[3].length <= mostText) ? kept : now).push(row)
    if (kept.length > 0) this.#hasKept = true
    return { latest: now, seen: [...seen, ...later.seen], kept }
  }

  /** These are in `metrics`, and wait. @param isCommitted false: with the transaction */
  keep (rows: LatestRow[], isCommitted: boolean): void {
    if (isCommitted) this.#take(rows)
    else this.#staged.push(...rows)
  }

  #take (rows: LatestRow[]): void {
    for (const row of rows) {
      const before = this.#latest.get(row[0])
      if (before === undefined || isNewer(row[1], row[2], before)) this.#latest.set(row[0], row)
    }
  }

  /** Another process writes too: write what waits. */
  async join (db: Knex, writer: Pick<WriterMark, 'id'>): Promise<void> {
    this.isAlone = false
    for (const part of this.parts()) {
      await this.write(db, writer, part)
      // Otherwise it is written once more.
      if (db.isTransaction !== true) this.written(part)
    }
  }

  parts (): number[][] {
    const ids = [...this.#latest.keys()].sort((a, b) => a - b)
    return Array.from({ length: Math.ceil(ids.length / mostRows) }, (_, i) => ids.slice(i * mostRows, (i + 1) * mostRows))
  }

  async write (db: Knex, writer: Pick<WriterMark, 'id'>, part: number[]): Promise<void> {
    if (db.isTransaction !== true) return await kindOf(db).transact(db, tx => this.write(tx, writer, part))
    // These ids are of the database in which that row is.
    if (await db('writers').where(writer).first('id') === undefined) throw this.#options.missing()
    await this.#options.raise(db, part.map(id => this.#latest.get(id)).filter(row => row !== undefined))
  }

  written (part: number[]): void {
    for (const id of part) this.#latest.delete(id)
  }

  committed (): void {
    this.#take(this.#staged)
    this.#staged = []
  }

  async opened (knex: Knex, writer: WriterMark): Promise<void> {
    this.#writer = writer.id
    if (await knex('writers').where(writer).first('id') === undefined) this.#latest.clear()
    this.#isDoubtful ||= this.#hasKept
  }

  async recover (knex: Knex, isAlone: boolean): Promise<void> {
    if (!this.#isNew && !this.#isDoubtful) {
      this.isAlone = isAlone
      if (!isAlone && this.isThere) await this.join(knex, { id: this.#writer })
      return
    }
    const others = await knex('writers').whereNot('id', this.#writer).first('id') !== undefined
    if (others) await kindOf(knex).transact(knex, this.#options.waitForOthers)
    if (others || this.#isDoubtful) {
      await this.#derive(knex)
      this.#hasKept = this.isThere
    }
    this.isAlone = !others
    this.#isNew = this.#isDoubtful = false
  }

  /** Find newer metrics of all series than their rows have. */
  async #derive (knex: Knex): Promise<void> {
    const newest = (column: string): Knex.QueryBuilder =>
      knex('metrics').whereRaw('series_id = s.id and ts >= s.last_ts').orderBy([{ column: 'ts', order: 'desc' }, { column: 'seq', order: 'desc' }]).limit(1).select(column)
    for (let after = 0; ;) {
      const rows = await knex('series as s').whereNotNull('last_ts').where('s.id', '>', after).orderBy('s.id').limit(mostRows)
        .select({ id: 's.id', lastTs: 'last_ts', lastSeq: 'last_seq', ts: newest('ts'), seq: newest('seq'), value: newest('value'), text: newest('text') }) as NewestFound[]
      const last = rows.at(-1)
      if (last === undefined) return
      after = Number(last.id)
      const newer = rows.flatMap((row): LatestRow[] => {
        const [lastTs, ts, seq] = [Number(row.lastTs), Number(row.ts), Number(row.seq)]
        if (row.ts === null || (ts === lastTs && seq <= Number(row.lastSeq ?? -1))) return []
        return [[Number(row.id), ts, seq, valueOf(row.value, row.text) as number | string]]
      })
      if (newer.length > 0) await kindOf(knex).transact(knex, db => this.#options.raise(db, newer))
    }
  }

  // When agents were heard is written at once: how often they report is learned from each message.
  heard (): number[][] { return [] }

  heardBefore (): number[] { return [] }

  async writeHeard (): Promise<void> { /* nothing waits */ }

  async writeContacts (): Promise<void> {
    // Of a transaction before this one, that was undone.
    this.#staged = []
  }
}

type NewestFound = Record<'id' | 'lastTs' | 'lastSeq' | 'ts' | 'seq' | 'value' | 'text', number | string | null>
