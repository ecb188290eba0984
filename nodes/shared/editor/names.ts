import type { Completion } from './complete.ts'
import { post } from './form.ts'
import { lastOf } from './last-of.ts'

/** Types are those of `uuids`, or of all agents if there are none. */
export type Sought = { of: 'agents' } | { of: 'types', uuids: string[] }

interface Names { names: Array<{ name: string, label?: string }> }

/**
 * What the last name of a field that has several, with commas between them, may be completed to: what is in the database that the form names.
 * @param written a name as that field takes it
 */
export async function completeNames (typed: string, sought: Sought, written: (name: string) => string): Promise<Completion[]> {
  const { before, text } = lastOf(typed)
  const { names } = await post<Names>('database/names', { id: String($('#node-input-database').val() ?? ''), text, ...sought })
  return names.map(({ name, label }) => ({ value: before + written(name), label: label === undefined ? name : `${label} · ${name}` }))
}
