import { conditions, fieldsOf, flawOf, savedRuleDefaults, severities, type Condition, type SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'
import { complete } from '../../shared/editor/complete.ts'
import { input, select, valueOf } from '../../shared/editor/fields.ts'
import { numberOrText, type Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../../shared/editor/list.ts'
import { completeNames } from '../../shared/editor/names.ts'
import { RED, textsOf, type EditorNode } from '../../shared/editor/red.ts'
import type { MetricAlertConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'

const text = textsOf('metric-alert')

const label = (field: keyof SavedRule): string => text(`metric-alert.rule.${field}`)
/** What a value is called, which depends on what it is compared with. */
const valueLabel = (condition: Condition): string => text(`metric-alert.value.${condition}`)
const numbers = ['value', 'high', 'end', 'endHigh', 'for', 'endFor', 'within', 'repeat'] as const

/** Fills the table of rules. */
export function prepareRules (node: EditorNode & MetricAlertConfig): Part {
  return prepareList<SavedRule, 'rules'>({
    place: '#metric-alert-rules',
    addButton: text('metric-alert.rule.add'),
    sortable: true,
    // A rule that is new: the database knows it by its id.
    empty: { ...savedRuleDefaults, get id () { return RED.nodes.id() } },
    show,
    read,
    problems: ruleProblems
  }, node, 'rules', upgrade(node).rules)
}

function show (container: JQuery, rule: SavedRule): Fields<SavedRule> {
  const fields: Fields<SavedRule> = {
    id: $('<input type="hidden">').val(rule.id),
    name: input(rule.name, label('name')),
    agents: input(rule.agents, label('agents')).attr('placeholder', text('metric-alert.rule.all')),
    types: input(rule.types, label('types')),
    condition: select(conditions, condition => text(`metric-alert.condition.${condition}`), rule.condition, label('condition')),
    severity: select(severities, severity => text(`metric-alert.severity.${severity}`), rule.severity, label('severity')),
    value: input(rule.value, label('value')),
    high: input(rule.high, label('high')),
    end: input(rule.end, label('end')),
    endHigh: input(rule.endHigh, label('endHigh')),
    within: input(rule.within, label('within')),
    for: input(rule.for, label('for')),
    endFor: input(rule.endFor, label('endFor')),
    repeat: input(rule.repeat, label('repeat'))
  }
  complete(fields.agents, typed => completeNames(typed, { of: 'agents' }, patternOf))
  complete(fields.types, typed => completeNames(typed, { of: 'types', uuids: [] }, patternOf))
  /** What it is, above the field: there are too many to know them by their places. */
  const named = (field: keyof SavedRule): JQuery => $('<span class="metric-alert-field">').attr('data-field', field).append($('<span>').text(label(field)), fields[field])
  container.append(
    $('<div>').append(fields.id, ...(['name', 'agents', 'types'] as const).map(named)),
    $('<div>').append(...(['condition', 'value', 'high', 'end', 'endHigh', 'within'] as const).map(named)),
    $('<div>').append(...(['for', 'endFor', 'severity', 'repeat'] as const).map(named))
  )
  const showUsed = (): void => {
    const condition = valueOf(fields.condition) as Condition
    const used = fieldsOf[condition] ?? []
    for (const field of ['types', 'value', 'high', 'end', 'endHigh', 'within'] as const) fields[field].parent().toggle(used.includes(field))
    fields.value.parent().children('span').text(valueLabel(condition))
    // Where nothing is filled in, that value counts.
    fields.end.attr('placeholder', valueLabel(condition === 'outside' ? condition : 'above'))
    fields.endHigh.attr('placeholder', label('high'))
  }
  fields.condition.on('change', showUsed)
  showUsed()
  return fields
}

/** A pattern has no other way to say a comma. */
function patternOf (name: string): string {
  return name.replaceAll(',', '*')
}

function read (fields: Fields<SavedRule>): SavedRule {
  // In the order in which they are saved.
  const texts = Object.fromEntries(Object.keys(savedRuleDefaults).map(field => [field, valueOf(fields[field as keyof SavedRule])])) as unknown as SavedRule
  return { ...texts, ...Object.fromEntries(numbers.map(field => [field, numberOrText(String(texts[field]))])) }
}

/** What is wrong with the rules of a node. */
export function ruleProblems (rules: readonly SavedRule[]): Array<RowProblem<SavedRule>> {
  return rules.flatMap((rule, index) => {
    const found = flawOf(rule)
    if (found === undefined) return []
    const { field, flaw } = found
    const name = field === 'value' ? valueLabel(rule.condition) : label(field)
    return [{ index, field, text: text(`metric-alert.validation.${flaw}`, { number: index + 1, label: name }) }]
  })
}
