import type { Completion } from '../../shared/editor/complete.ts'
import { completeNames } from '../../shared/editor/names.ts'
import { namesIn, quoted } from '../names.ts'

/** Most time zones that are offered at once. */
const mostZones = 50

/** What is in the database that the form names, for the field of agents' uuids or of types: those of the agents that are named. */
export function namesOf (field: 'uuid' | 'metricType'): (typed: string) => Promise<Completion[]> {
  return async typed => {
    const uuids = [namesIn(String($('#metric-query-uuid').val() ?? ''))].flat()
    return await completeNames(typed, field === 'uuid' ? { of: 'agents' } : { of: 'types', uuids: $('#metric-query-uuid').is(':visible') ? uuids : [] }, quoted)
  }
}

/** The time zones that this browser knows. */
export async function timeZones (typed: string): Promise<Completion[]> {
  const sought = typed.trim().toLowerCase().replaceAll(' ', '_')
  return Intl.supportedValuesOf('timeZone').filter(zone => zone.toLowerCase().includes(sought)).slice(0, mostZones)
    .map(zone => ({ value: zone, label: zone }))
}
