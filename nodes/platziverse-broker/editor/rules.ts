import { checkRule } from '../../../lib/broker/access/rules.ts'
import { input, select, valueOf } from '../../shared/editor/fields.ts'
import { markTab, type Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../../shared/editor/list.ts'
import type { SavedRule } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { ask, complain, text, type BrokerNode } from './form.ts'
import { button, prepareImport, type Problem } from './import.ts'

const empty: SavedRule = { subject: 'everyone', username: '', access: 'readwrite', topic: '' }
const subjects = ['everyone', 'anonymous', 'user'] as const
const accesses = ['read', 'write', 'readwrite', 'deny'] as const
const subjectText = (subject: string): string => text(`platziverse-broker.subject.${subject}`)
const accessText = (access: string): string => text(`platziverse-broker.access.${access}`)

export function ruleProblems (rules: readonly SavedRule[]): Array<RowProblem<SavedRule>> {
  return rules.flatMap((rule, index) => {
    const number = index + 1
    const problems: Array<RowProblem<SavedRule>> = []
    if (checkRule({ ...rule, topic: '#' }) !== undefined) {
      problems.push({ index, field: 'username', text: text('platziverse-broker.validation.ruleUser', { number }) })
    }
    if (checkRule({ ...rule, username: 'any' }) !== undefined) {
      problems.push({ index, field: 'topic', text: text('platziverse-broker.validation.ruleTopic', { number }) })
    }
    return problems
  })
}

export function prepareRules (node: BrokerNode): Part {
  const list = prepareList({
    place: '#platziverse-broker-rules',
    addButton: text('platziverse-broker.rule.add'),
    empty,
    show,
    read,
    problems: ruleProblems,
    checked (problems) { markTab('platziverse-broker-rules-tab', problems.length > 0) }
  }, node, 'rules', upgrade(node).rules)

  prepareImport<{ rules: SavedRule[], problems: Problem[] }>({
    place: '#platziverse-broker-rules-import',
    path: 'rules/parse',
    label: text('platziverse-broker.rule.import'),
    take ({ rules, problems }) {
      // A line that is left out may be one that denies.
      if (problems.length > 0) return text('platziverse-broker.rule.refused')
      const known = new Set(list.value().map(keyOf))
      const fresh = rules.map(rule => ({ ...empty, ...rule })).filter(rule => !known.has(keyOf(rule)))
      list.add(fresh)
      return text('platziverse-broker.rule.imported', { count: fresh.length })
    }
  })
  button('fa fa-download', text('platziverse-broker.rule.export')).attr('id', 'platziverse-broker-rules-export').on('click', () => {
    ask<{ text: string }>('rules/format', { rules: list.value() }).then(answer => { download('platziverse.acl', answer.text) }, complain)
  }).prependTo('#platziverse-broker-rules-import').after(' ')

  return list
}

function show (container: JQuery, rule: SavedRule): Fields<SavedRule> {
  const fields = {
    subject: select(subjects, subjectText, rule.subject, text('platziverse-broker.rule.subject')),
    username: input(rule.username, text('platziverse-broker.user.name')),
    access: select(accesses, accessText, rule.access, text('platziverse-broker.rule.access')),
    topic: input(rule.topic, text('platziverse-broker.rule.topic'))
  }
  container.append(
    $('<div>').append(fields.subject, fields.username),
    $('<div>').append(fields.access.css({ flex: '0 0 40%' }), fields.topic)
  )
  fields.subject.on('change', () => { fields.username.toggle(valueOf(fields.subject) === 'user') }).trigger('change')
  return fields
}

function read (fields: Fields<SavedRule>): SavedRule {
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

function download (name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: 'text/plain' }))
  const link = $<HTMLAnchorElement>('<a>').attr({ href: url, download: name })
  link[0]?.click()
  setTimeout(() => { URL.revokeObjectURL(url) })
}
