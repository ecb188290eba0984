import type { Additions, Later, LatestRow, SeenRow } from '../dialects/dialect.ts'
import type { KnownAgent, KnownSeries } from './known-agents.ts'

/** What a batch says of series and agents. */
export interface News {
  latest: Map<KnownSeries, LatestRow>
  /** The ids of the agents of these series. */
  owners: Map<KnownSeries, number>
  seen: Map<KnownAgent, SeenRow>
}

/** Which of it may be written later: neither the first value of a series, nor that an agent has another process. */
export function sortedOut ({ latest, owners, seen }: News): Required<Pick<Additions, 'latest' | 'seen' | 'later'>> {
  const later: Later = { latest: [], agents: [], seen: [] }
  const now: Pick<Additions, 'latest' | 'seen'> = { latest: [], seen: [] }
  for (const [series, row] of latest) {
    if (series.lastTs === Number.NEGATIVE_INFINITY) now.latest.push(row)
    else {
      later.latest.push(row)
      later.agents.push(owners.get(series) as number)
    }
  }
  for (const [agent, row] of seen) (agent.instance === row[2] ? later : now).seen.push(row)
  return { ...now, later }
}
