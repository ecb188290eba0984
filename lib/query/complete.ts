import type { Knex } from 'knex'
import { listOf, type Names } from './series/choice.ts'

/** A name that a form may be completed with. */
export interface Completion {
  name: string
  /** What else it is called. */
  label?: string
}

/** Most names at once: more do not help anybody to choose. */
const most = 50
/** ms that the database has: whoever types does not wait longer. */
const patience = 3_000

/** Agents whose uuid or name contains a text, whatever its case; those that were seen last first. */
export async function completeAgents (db: Knex, text: string): Promise<Completion[]> {
  const like = containing(text)
  const rows = await db('agents').whereRaw(`(lower(uuid) like ? escape '!' or lower(name) like ? escape '!')`, [like, like])
    .orderBy([{ column: 'last_seen_at', order: 'desc' }, { column: 'id', order: 'desc' }]).limit(most).timeout(patience)
    .select<Array<{ uuid: string, name: string | null }>>('uuid', 'name')
  return rows.map(({ uuid, name }) => name ? { name: uuid, label: name } : { name: uuid })
}

/**
 * Types that contain a text, in alphabetical order.
 * @param uuids of these agents; none: of all
 */
export async function completeTypes (db: Knex, text: string, uuids: Names): Promise<Completion[]> {
  const query = db('series').whereRaw(`lower(series.type) like ? escape '!'`, [containing(text)])
  if (uuids.length > 0) query.join('agents', 'agents.id', 'series.agent_id').whereIn('agents.uuid', listOf(uuids))
  const types = await query.distinct<Array<{ type: string }>>('series.type').orderBy('series.type').limit(most).timeout(patience)
  return types.map(({ type }) => ({ name: type }))
}

function containing (text: string): string {
  return `%${text.toLowerCase().replace(/[!%_]/g, '!$&')}%`
}
