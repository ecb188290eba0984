import type { SavedRule } from './config.ts'
import { input, mark, select, valueOf } from '../shared/editor/fields.ts'
import { ask, complain, equal, markTab, text, type BrokerNode } from './editor-form.ts'
import { button, prepareImport } from './editor-import.ts'

interface Row {
  fields: Record<keyof SavedRule, JQuery>
}

export interface RuleProblem {
  index: number
  field: 'username' | 'topic'
  text: string
}

export interface Rules {
  save (): void
}

const empty: SavedRule = { subject: 'everyone', username: '', access: 'readwrite', topic: '' }
const subjects = ['everyone', 'anonymous', 'user'] as const
const accesses = ['read', 'write', 'readwrite', 'deny'] as const

export function ruleProblems (rules: readonly SavedRule[]): RuleProblem[] {
  return rules.flatMap(({ subject, username, topic }, index) => {
    const number = index + 1
    const problems: RuleProblem[] = []
    if (subject === 'user' && username === '') {
      problems.push({ index, field: 'username', text: text('platziverse-broker.validation.ruleUser', { number }) })
    }
    if (!isFilter(topic) || (subject === 'everyone' && !standAlone(topic))) {
      problems.push({ index, field: 'topic', text: text('platziverse-broker.validation.ruleTopic', { number }) })
    }
    return problems
  })
}

export function prepareRules (node: BrokerNode): Rules {
  const rows: Row[] = []
  const value = () => rows.map(read)
  const check = () => {
    const problems = ruleProblems(value())
    markTab('rules', problems.length > 0)
    for (const [index, { fields }] of rows.entries()) {
      for (const name of ['username', 'topic'] as const) {
        mark(fields[name], problems.find(problem => problem.index === index && problem.field === name)?.text)
      }
    }
  }
  const list = $('#platziverse-broker-rules').editableList<Row & SavedRule>({
    addButton: text('platziverse-broker.rule.add'),
    removable: true,
    height: 'auto',
    addItem (container, _index, item) {
      item.fields = show(container, { ...empty, ...item })
      rows.push(item)
      for (const field of Object.values(item.fields)) field.on('input change', check)
      check()
    },
    removeItem (item) {
      rows.splice(rows.indexOf(item), 1)
      check()
    }
  })
  list.editableList('addItems', (node.rules ?? []).map(rule => ({ ...rule })))

  prepareImport<{ rules: SavedRule[], problems: Array<{ line: number, text: string }> }>({
    place: '#platziverse-broker-rules-import',
    path: 'rules/parse',
    label: text('platziverse-broker.rule.import'),
    take ({ rules, problems }) {
      // A line that is left out may be one that denies.
      if (problems.length > 0) return text('platziverse-broker.rule.refused')
      const known = new Set(value().map(keyOf))
      const fresh = rules.map(rule => ({ ...empty, ...rule })).filter(rule => !known.has(keyOf(rule)))
      list.editableList('addItems', fresh)
      return text('platziverse-broker.rule.imported', { count: fresh.length })
    }
  })
  button('fa fa-download', text('platziverse-broker.rule.export')).attr('id', 'platziverse-broker-rules-export').on('click', () => {
    ask<{ text: string }>('rules/format', { rules: value() }).then(answer => { download('platziverse.acl', answer.text) }, complain)
  }).prependTo('#platziverse-broker-rules-import').after(' ')

  return { save () { if (!equal(value(), node.rules ?? [])) node.rules = value() } }
}

function show (container: JQuery, rule: SavedRule): Row['fields'] {
  const fields: Row['fields'] = {
    subject: select(subjects, subject => text(`platziverse-broker.subject.${subject}`), rule.subject, text('platziverse-broker.rule.subject')),
    username: input(rule.username, text('platziverse-broker.user.name')),
    access: select(accesses, access => text(`platziverse-broker.access.${access}`), rule.access, text('platziverse-broker.rule.access')),
    topic: input(rule.topic, text('platziverse-broker.rule.topic'))
  }
  container.addClass('platziverse-broker-row').append(
    $('<div>').append(fields.subject, fields.username),
    $('<div>').append(fields.access.css({ flex: '0 0 40%' }), fields.topic)
  )
  fields.subject.on('change', () => { fields.username.toggle(valueOf(fields.subject) === 'user') }).trigger('change')
  return fields
}

function read ({ fields }: Row): SavedRule {
  const subject = valueOf(fields.subject) as SavedRule['subject']
  return {
    subject,
    username: subject === 'user' ? valueOf(fields.username) : '',
    access: valueOf(fields.access) as SavedRule['access'],
    topic: valueOf(fields.topic)
  }
}

function keyOf ({ subject, username, access, topic }: SavedRule): string {
  return JSON.stringify([subject, username, access, topic])
}

/** `#` alone and last, `+` alone in its level [MQTT-4.7.1-2] [MQTT-4.7.1-3]; a shared subscription is checked by the filter in it. */
function isFilter (topic: string): boolean {
  const levels = topic.split('/')
  if (topic === '' || levels[0] === '$share') return false
  return levels.every((level, i) => level === '+' || (level === '#' && i === levels.length - 1) || !/[+#\0]/.test(level))
}

/** Whether `%u` and `%c` are levels of their own. */
function standAlone (topic: string): boolean {
  return topic.split('/').every(level => level === '%u' || level === '%c' || !/%[uc]/.test(level))
}

function download (name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: 'text/plain' }))
  const link = $<HTMLAnchorElement>('<a>').attr({ href: url, download: name })
  link[0]?.click()
  setTimeout(() => { URL.revokeObjectURL(url) })
}
