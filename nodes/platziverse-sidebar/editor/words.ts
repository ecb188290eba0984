import { RED, textsOf } from '../../shared/editor/red.ts'

export const text = textsOf('platziverse-sidebar')

const day = 86_400
const units = [['second', 1, 60], ['minute', 60, 3_600], ['hour', 3_600, day], ['day', day, Number.POSITIVE_INFINITY]] as const

/** A number as people read it. */
export function numberText (value: number): string {
  return value.toLocaleString(RED.i18n.lang(), { maximumSignificantDigits: 6 })
}

/** What a database is called: where it is, if it has no name and the editor knows its node. */
export function databaseText ({ id, name }: { id: string, name: string }): string {
  if (name !== '') return name
  const node = RED.nodes.node(id)
  return node === undefined ? text('platziverse-sidebar.database.unnamed') : RED.utils.getNodeLabel(node)
}

/** A metric's value. */
export function valueText (value: number | string | null): string {
  return typeof value === 'number' ? numberText(value) : value ?? ''
}

/** How long ago something was. @param ms since then */
export function agoText (ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const [unit, length] = units.find(([, , end]) => seconds < end) ?? units[3]
  return new Intl.RelativeTimeFormat(RED.i18n.lang(), { numeric: 'auto', style: 'short' }).format(-Math.floor(seconds / length), unit)
}

/** A moment. @param ms UTC */
export function timeText (ms: number): string {
  return new Date(ms).toLocaleString(RED.i18n.lang(), { dateStyle: 'medium', timeStyle: 'medium' })
}

/** The parts that there are, in one line. */
export function line (...parts: Array<string | null | undefined | false>): string {
  return parts.filter(part => typeof part === 'string' && part !== '').join(' · ')
}
