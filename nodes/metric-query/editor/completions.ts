import type { Completion } from '../../shared/editor/complete.ts'
import { post } from '../../shared/editor/form.ts'
import { lastOf, namesIn, quoted } from '../names.ts'

/** Most time zones that are offered at once. */
const mostZones = 50

interface Names { names: Array<{ name: string, label?: string }> }

/** What is in the database that the form names, for the field of agents' uuids or of types: those of the agents that are named. */
export function namesOf (field: 'uuid' | 'metricType'): (typed: string) => Promise<Completion[]> {
  return async typed => {
    const { before, text } = lastOf(typed)
    const database = String($('#node-input-database').val() ?? '')
    const uuids = [namesIn(String($('#metric-query-uuid').val() ?? ''))].flat()
    const asked = field === 'uuid' ? { of: 'agents' } : { of: 'types', uuids: $('#metric-query-uuid').is(':visible') ? uuids : [] }
    const { names } = await post<Names>('database/names', { id: database, text, ...asked })
    return names.map(({ name, label }) => ({ value: before + quoted(name), label: label === undefined ? name : `${label} · ${name}` }))
  }
}

/** The time zones that this browser knows. */
export async function timeZones (typed: string): Promise<Completion[]> {
  const sought = typed.trim().toLowerCase().replaceAll(' ', '_')
  return Intl.supportedValuesOf('timeZone').filter(zone => zone.toLowerCase().includes(sought)).slice(0, mostZones)
    .map(zone => ({ value: zone, label: zone }))
}
