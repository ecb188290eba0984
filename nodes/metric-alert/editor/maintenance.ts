import { isTimezone, savedMaintenanceDefaults, type SavedMaintenance } from '../../../lib/alerts/rules/saved-maintenance.ts'
import { input, valueOf } from '../../shared/editor/fields.ts'
import { numberOrText, type Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../../shared/editor/list.ts'
import { textsOf, type EditorNode } from '../../shared/editor/red.ts'
import type { MetricAlertConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'

const text = textsOf('metric-alert')
/** Five or six fields of numbers, `*`, and the names of months and days; the node itself reads it in full. */
const cronLine = /^(?:[\d*/,?L#W-]|\b[a-z]{3}\b)+(?:\s+(?:[\d*/,?L#W+-]|\b[a-z]{3}\b)+){4,5}$/i
const names = ['cron', 'minutes', 'timezone', 'agents'] as const
/** What to write, or what counts where nothing is. */
const examples: Record<keyof SavedMaintenance, string> = { cron: '0 2 * * 0', minutes: '60', timezone: text('metric-alert.maintenance.own'), agents: text('metric-alert.rule.all') }
const label = (field: keyof SavedMaintenance): string => text(`metric-alert.maintenance.${field}`)

/** Fills the table of maintenance. */
export function prepareMaintenance (node: EditorNode & MetricAlertConfig): Part {
  return prepareList<SavedMaintenance, 'maintenance'>({
    place: '#metric-alert-maintenance',
    addButton: text('metric-alert.maintenance.add'),
    empty: savedMaintenanceDefaults,
    show,
    read,
    problems: maintenanceProblems
  }, node, 'maintenance', upgrade(node).maintenance)
}

function show (container: JQuery, times: SavedMaintenance): Fields<SavedMaintenance> {
  const fields = Object.fromEntries(names.map(field => [field, input(times[field], label(field)).attr('placeholder', examples[field])])) as Fields<SavedMaintenance>
  container.append($('<div>').append(...names.map(field => $('<span class="metric-alert-field">').append($('<span>').text(label(field)), fields[field]))))
  return fields
}

function read (fields: Fields<SavedMaintenance>): SavedMaintenance {
  const { cron, minutes, timezone, agents } = fields
  return { cron: valueOf(cron), minutes: numberOrText(valueOf(minutes)), timezone: valueOf(timezone), agents: valueOf(agents) }
}

/** What is wrong with the times of maintenance, as far as a browser knows. */
export function maintenanceProblems (maintenance: readonly SavedMaintenance[]): Array<RowProblem<SavedMaintenance>> {
  return maintenance.flatMap(({ cron, minutes, timezone }, index): Array<RowProblem<SavedMaintenance>> => {
    if (!cronLine.test(cron.trim())) return [{ index, field: 'cron', text: text('metric-alert.validation.cron', { number: index + 1 }) }]
    if (!(Number(minutes) > 0)) return [{ index, field: 'minutes', text: text('metric-alert.validation.minutes', { number: index + 1 }) }]
    return isTimezone(timezone) ? [] : [{ index, field: 'timezone', text: text('metric-alert.validation.timezone', { number: index + 1, timezone }) }]
  })
}
