import type { Knex } from 'knex'

/**
 * The view `platziverse_metrics`, for whoever asks in SQL: a row a metric, with the names of its agent and type and a time that the database reads as one. What SQLite has
 * not moved yet is in it, because it is in `metrics`.
 *
 * `time` is a `timestamptz` on PostgreSQL, a `datetime(6)` in UTC on MySQL and MariaDB, whatever the session's time zone, and a text such as `2026-11-30T12:00:00.000Z` on
 * SQLite, which has no such type. No database finds metrics by it in an index; for that there is `ts`, in UTC ms.
 */
export async function up (knex: Knex): Promise<void> {
  const dialect = knex.client.dialect as keyof typeof times
  try {
    await knex.raw(`create view platziverse_metrics (time, agent, name, type, value, text, ts) as
      select ${times[dialect]}, agents.uuid, coalesce(nullif(agents.name, ''), agents.uuid), series.type, metrics.value, case when metrics.value is null then metrics.text end, metrics.ts
      from metrics join series on series.id = metrics.series_id join agents on agents.id = series.agent_id`)
  } catch (error) {
    // On MySQL views take a right of their own, and nothing else needs this one.
    if ((error as { errno?: number }).errno !== mayNot && (error as { errno?: number }).errno !== isThere) throw error
  }
}

const times = {
  sqlite3: "strftime('%Y-%m-%dT%H:%M:%fZ', metrics.ts / 1000.0, 'unixepoch')",
  postgresql: 'to_timestamp(metrics.ts / 1000.0)',
  mysql: "timestamp '1970-01-01 00:00:00' + interval metrics.ts * 1000 microsecond"
}

/** MySQL's ER_TABLEACCESS_DENIED_ERROR, and ER_TABLE_EXISTS_ERROR: a process died between the view and Knex's row about it. */
const mayNot = 1142
const isThere = 1050
