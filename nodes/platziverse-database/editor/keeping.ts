import { mostDays } from '../../../lib/store/retention/most-days.ts'
import { input, valueOf } from '../../shared/editor/fields.ts'
import { markTab, numberOrText, type Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../../shared/editor/list.ts'
import { isVariable, numberProblem } from '../../shared/editor/validate.ts'
import type { SavedOverride } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { fieldOf, text, type DatabaseNode } from './form.ts'

/** From fine to coarse. */
const spans = ['rawDays', 'hourDays', 'dayDays'] as const
type Span = typeof spans[number]
type Days = Record<Span, unknown>

/** What is wrong with one of three spans; what is fine may not be kept for longer than what is coarse. Empty: 0. */
export function daysProblem (days: Days, span: Span): string | undefined {
  const label = text(`platziverse-database.keeping.${span}`)
  const problem = isEmpty(days[span]) ? undefined : numberProblem(days[span], label, 0, mostDays)
  if (problem !== undefined) return problem
  const coarse = spans[spans.indexOf(span) + 1]
  if (coarse === undefined || !(numberOf(days[span]) > numberOf(days[coarse]))) return undefined
  return text('platziverse-database.validation.outlives', { label, other: text(`platziverse-database.keeping.${coarse}`) })
}

export function overrideProblems (overrides: readonly SavedOverride[]): Array<RowProblem<SavedOverride>> {
  return overrides.flatMap((override, index) => {
    const { type } = override
    const ofType = (problem: string | undefined) => problem && (type === '' ? problem : `${type}: ${problem}`)
    let typeProblem: string | undefined
    if (type === '') typeProblem = text('platziverse-database.validation.type', { number: index + 1 })
    else if (overrides.slice(0, index).some(other => other.type === type)) {
      typeProblem = text('platziverse-database.validation.typeTwice', { type })
    }
    return [
      ...typeProblem === undefined ? [] : [{ index, field: 'type' as const, text: typeProblem }],
      ...spans.flatMap(span => {
        const problem = ofType(daysProblem(override, span))
        return problem === undefined ? [] : [{ index, field: span, text: problem }]
      })
    ]
  })
}

export function prepareKeeping (node: DatabaseNode): Part {
  const columns = [text('platziverse-database.keeping.type'), ...spans.map(span => text(`platziverse-database.keeping.${span}`))]
  $('#platziverse-database-columns').append(columns.map(column => $('<span>').text(column)))
  const overrides = prepareList({
    place: '#platziverse-database-overrides',
    addButton: text('platziverse-database.keeping.add'),
    empty: { type: '', rawDays: 0, hourDays: 0, dayDays: 0 },
    show,
    read,
    problems: overrideProblems,
    checked (problems, rows) {
      $('#platziverse-database-columns').toggle(rows.length > 0)
      const days = Object.fromEntries(spans.map(span => [span, valueOf(fieldOf(span))])) as Days
      markTab('platziverse-database-keeping-tab', problems.length > 0 || spans.some(span => daysProblem(days, span) !== undefined))
    }
  }, node, 'overrides', upgrade(node).overrides)
  for (const span of spans) fieldOf(span).on('input change', overrides.check)
  overrides.check()
  return overrides
}

function show (container: JQuery, override: SavedOverride): Fields<SavedOverride> {
  const fields: Fields<SavedOverride> = {
    type: input(override.type, text('platziverse-database.keeping.type')),
    rawDays: input(override.rawDays, text('platziverse-database.keeping.rawDays')),
    hourDays: input(override.hourDays, text('platziverse-database.keeping.hourDays')),
    dayDays: input(override.dayDays, text('platziverse-database.keeping.dayDays'))
  }
  for (const span of spans) fields[span].attr('placeholder', '0')
  container.append($('<div>').append(Object.values(fields)))
  return fields
}

function read (fields: Fields<SavedOverride>): SavedOverride {
  const days = (span: Span) => numberOrText(valueOf(fields[span]) || '0')
  return { type: valueOf(fields.type), rawDays: days('rawDays'), hourDays: days('hourDays'), dayDays: days('dayDays') }
}

function isEmpty (value: unknown): boolean {
  return String(value ?? '').trim() === ''
}

/** For comparing; what is not known compares with nothing. */
function numberOf (value: unknown): number {
  if (isVariable(String(value ?? '').trim())) return Number.NaN
  return Number(value ?? 0) === 0 ? Infinity : Number(value)
}
