import type { Knex } from 'knex'

/**
 * Of rollups: the time (UTC ms) and seq of the metric that is `last`, null where nobody knew them, so that what comes late is put in
 * its place; and a sum beyond the range of a double, divided by 2^64, otherwise null.
 */
export async function up (knex: Knex): Promise<void> {
  for (const name of ['metrics_1h', 'metrics_1d']) {
    // MySQL commits after each change of a table, so a process that died in between starts again here.
    if (await knex.schema.hasColumn(name, 'last_ts')) continue
    await knex.schema.alterTable(name, table => {
      table.bigInteger('last_ts')
      table.bigInteger('last_seq')
      table.double('scaled_sum')
    })
  }
}
