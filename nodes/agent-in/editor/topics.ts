import { presets } from '../../../lib/mapping/presets/presets.ts'
import type { PayloadFormat, TimeUnit, TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { kindOf } from '../../../lib/messages/topics.ts'
import { covers, parseFilter } from '../../../lib/mqtt/topic-filters.ts'
import { input, select, valueOf } from '../../shared/editor/fields.ts'
import { equal, markTab, type Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type List, type RowProblem } from '../../shared/editor/list.ts'
import { textsOf, type EditorNode } from '../../shared/editor/red.ts'
import type { AgentInConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'

const text = textsOf('agent-in')

/** A row as the form shows it: all of it is text. */
interface Row {
  topic: string
  format: PayloadFormat
  uuid: string
  name: string
  username: string
  type: string
  take: string
  leave: string
  rename: string
  timePath: string
  timeUnit: TimeUnit
  columns: string
  separator: string
  online: string
  offline: string
  path: string
}

const formats = ['json', 'value', 'presence', 'influx', 'telegraf', 'csv', 'sparkplug'] as const
const units = ['auto', 'iso', 's', 'ms', 'us', 'ns'] as const

/** What a row says beside its topic and format, in the order of the form. */
const details = ['uuid', 'name', 'username', 'online', 'offline', 'path', 'type', 'take', 'leave', 'rename', 'columns', 'separator', 'timePath', 'timeUnit'] as const
type Detail = typeof details[number]

/** Which fields a format has beside the topic and the agent. */
const shownFor: Record<PayloadFormat, ReadonlyArray<keyof Row>> = {
  value: ['type', 'take', 'leave', 'rename'],
  json: ['type', 'take', 'leave', 'rename', 'timePath', 'timeUnit'],
  influx: ['take', 'leave', 'rename', 'timeUnit'],
  telegraf: ['take', 'leave', 'rename', 'timeUnit'],
  csv: ['columns', 'separator', 'take', 'leave', 'rename', 'timePath', 'timeUnit'],
  sparkplug: ['take', 'leave', 'rename'],
  presence: ['online', 'offline', 'path', 'timePath', 'timeUnit']
}
const forAll: readonly Detail[] = ['uuid', 'name', 'username']
/** Formats whose payloads say which agent they are of. */
const namesAgents: readonly PayloadFormat[] = ['influx', 'telegraf', 'sparkplug']
const empty = rowOf({ topic: '', format: 'json' })

/** The table of other topics, as it is in the form that is open. */
export interface Topics extends Part {
  rules (): TopicRule[]
}

/** Fills the table, and the list of presets that add to it. */
export function prepareTopics (node: EditorNode & AgentInConfig): Topics {
  const saved = upgrade(node).otherTopics
  const list = prepareList({ place: '#agent-in-topics', addButton: text('agent-in.topics.add'), sortable: true, empty, show, read, problems: rows => topicProblems(rows.map(ruleOf)), checked: showProblems }, { rows: [] as Row[] }, 'rows', saved.map(rowOf))
  const preset = $('#agent-in-preset')
  $('<option>').val('').text(text('agent-in.topics.presets')).appendTo(preset)
  for (const { id, label } of presets) $('<option>').val(id).text(label).appendTo(preset)
  preset.on('change', () => {
    addPreset(list, String(preset.val()))
    preset.val('')
  })
  const rules = (): TopicRule[] => list.value().map(ruleOf)
  return {
    rules,
    save () {
      const now = rules()
      if (!equal(now, saved.map(rowOf).map(ruleOf))) node.otherTopics = now
    }
  }
}

/** What is wrong may be in a part of a row that is folded. */
function showProblems (problems: Array<RowProblem<Row>>, rows: Array<Fields<Row>>): void {
  for (const { index, field } of problems) rows[index]?.[field].closest('details').prop('open', true)
  markTab('agent-in-topics-tab', problems.length > 0)
}

/** Adds the rows of a preset whose topics are not in the table yet. */
function addPreset (list: List<Row>, id: string): void {
  const known = list.value().map(({ topic }) => topic)
  const added = presets.find(preset => preset.id === id)?.rules.filter(({ topic }) => !known.includes(topic)) ?? []
  list.add(added.map(rowOf))
}

function show (container: JQuery, row: Row): Fields<Row> {
  const field = (name: Detail): JQuery => input(row[name], text(`agent-in.field.${name}`)).attr('placeholder', name === 'timeUnit' ? '' : text(`agent-in.example.${name}`))
  const fields: Fields<Row> = {
    topic: input(row.topic, text('agent-in.topics.topic')),
    format: select(formats, format => text(`agent-in.format.${format}`), row.format, text('agent-in.topics.format')),
    ...Object.fromEntries(details.map(name => [name, field(name)])) as Record<Detail, JQuery>,
    timeUnit: select(units, unit => text(`agent-in.unit.${unit}`), row.timeUnit, text('agent-in.field.timeUnit'))
  }
  const { topic, format } = fields
  const lines = details.map(name => $('<div>').append($('<span>').text(text(`agent-in.field.${name}`)), fields[name]))
  const summary = $('<summary>')
  container.append($('<div>').append(topic, format.css({ flex: '0 0 35%' })), $('<details>').append(summary, ...lines))
  const refresh = (): void => {
    const shown = shownDetails(valueOf(format) as PayloadFormat)
    for (const [i, name] of details.entries()) lines[i]?.toggle(shown.includes(name))
    const filled = shown.filter(name => valueOf(fields[name]) !== '' && name !== 'timeUnit').map(name => `${text(`agent-in.field.${name}`)}: ${valueOf(fields[name])}`)
    summary.text([text('agent-in.topics.more'), ...filled].join(' · '))
  }
  for (const element of Object.values<JQuery>(fields)) element.on('input change', refresh)
  refresh()
  return fields
}

/** The fields below a row's topic, in this order, that a format has. */
function shownDetails (format: PayloadFormat): readonly Detail[] {
  const shown = shownFor[format]
  return details.filter(name => forAll.includes(name) || shown.includes(name))
}

function read (fields: Fields<Row>): Row {
  return Object.fromEntries(Object.entries<JQuery>(fields).map(([name, field]) => [name, valueOf(field)])) as unknown as Row
}

function rowOf ({ topic, format, uuid = '', name = '', username = '', type = '', take = [], leave = [], rename = {}, time, columns = [], separator = '', presence }: TopicRule): Row {
  return {
    topic,
    format,
    uuid,
    name,
    username,
    type,
    take: take.join(', '),
    leave: leave.join(', '),
    rename: Object.entries(rename).map(([path, type]) => `${path}=${type}`).join(', '),
    timePath: time?.path ?? '',
    timeUnit: time?.unit ?? 'auto',
    columns: columns.join(', '),
    separator,
    online: presence?.online ?? '',
    offline: presence?.offline ?? '',
    path: presence?.path ?? ''
  }
}

/** What is saved of a row: what is filled in, and belongs to its format. */
function ruleOf (row: Row): TopicRule {
  const shown = shownFor[row.format]
  const rule: TopicRule = { topic: row.topic, format: row.format }
  for (const name of ['uuid', 'name', 'username'] as const) if (row[name] !== '') rule[name] = row[name]
  for (const name of ['type', 'separator'] as const) if (shown.includes(name) && row[name] !== '') rule[name] = row[name]
  for (const name of ['take', 'leave', 'columns'] as const) if (shown.includes(name) && row[name] !== '') rule[name] = listOf(row[name])
  if (shown.includes('rename') && row.rename !== '') rule.rename = Object.fromEntries(listOf(row.rename).map(pair => splitAt(pair, pair.lastIndexOf('='))))
  if (shown.includes('timePath') && row.timePath !== '') rule.time = { path: row.timePath, unit: row.timeUnit }
  // Where their time is, these formats say themselves.
  if (shown.includes('timeUnit') && !shown.includes('timePath') && row.timeUnit !== 'auto') rule.time = { path: 'time', unit: row.timeUnit }
  if (row.format === 'presence') rule.presence = { online: row.online || 'online', offline: row.offline || 'offline', ...row.path === '' ? {} : { path: row.path } }
  return rule
}

function listOf (text: string): string[] {
  return text.split(',').map(item => item.trim()).filter(item => item !== '')
}

function splitAt (pair: string, at: number): [string, string] {
  return at < 0 ? [pair, ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
}

/** What is wrong with the topics of rows, as far as the form can tell; agent-in itself checks all of it. */
export function topicProblems (rules: readonly TopicRule[]): Array<RowProblem<Row>> {
  return rules.flatMap(({ topic, format, uuid, rename = {} }, index): Array<RowProblem<Row>> => {
    const number = index + 1
    const filter = filterOf(topic)
    if (/[{}]/.test(filter) || parseFilter(filter) === undefined || kindOf(filter) !== undefined) return [{ index, field: 'topic', text: text('agent-in.validation.topic', { number }) }]
    if (!uuid && !/(^|\/)\{uuid\}(?=\/|$)/.test(topic) && !namesAgents.includes(format)) {
      return [{ index, field: 'uuid', text: text('agent-in.validation.uuid', { number }) }]
    }
    const same = rules.findIndex(other => other.topic === topic)
    if (same < index) return [{ index, field: 'topic', text: text('agent-in.validation.twice', { number, other: same + 1 }) }]
    const first = rules.findIndex(other => coversTopics(other.topic, topic))
    if (first >= 0 && first < index) return [{ index, field: 'topic', text: text('agent-in.validation.covered', { number, other: first + 1 }) }]
    return Object.values(rename).includes('') ? [{ index, field: 'rename', text: text('agent-in.validation.rename', { number }) }] : []
  })
}

function filterOf (topic: string): string {
  return topic.replace(/(^|\/)\{[A-Za-z]\w*\}(?=\/|$)/g, '$1+')
}

/** Whether a row reads all that another one would, for certain: `{uuid}` stands for fewer levels than `+` does. */
function coversTopics (one: string, other: string): boolean {
  const [filter, narrower] = [parseFilter(filterOf(one)), parseFilter(filterOf(other))]
  if (filter === undefined || narrower === undefined || !covers(filter, narrower)) return false
  const [agent, level] = [one.split('/').indexOf('{uuid}'), other.split('/')]
  return agent < 0 || level[agent] === '{uuid}' || (agent > 0 && /^[^+#${]/.test(level[agent] ?? ''))
}
