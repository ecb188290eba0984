/** How many metrics the store's SQLite file holds: what its view `metrics` shows, counted without looking for each series. */
export const storedInFile = `select (select count(*) from metrics_settled) + (
  select count(*) from metrics_incoming as incoming join metrics_blocks as b on b.block = incoming.block join json_each(incoming.metrics)
  where incoming.ts >= case when incoming.agent_id < b.next_agent then b.moving_to when incoming.agent_id = b.next_agent then b.next_ts else b.settled_to end
) as n`
