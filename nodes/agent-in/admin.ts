import { PlatziverseError } from '../../lib/errors.ts'
import { RuleTable } from '../../lib/mapping/rules/rule-table.ts'
import type { Tried } from '../../lib/mapping/rules/tried.ts'
import { tryRules } from '../../lib/mapping/rules/try-rules.ts'
import { attachedBrokers } from '../../lib/registry/registry.ts'
import { seenMessages } from '../../lib/registry/seen-messages.ts'
import { translated } from '../../lib/texts/error-text.ts'
import type { Language } from '../../lib/texts/languages.ts'
import { serveAdmin } from '../shared/admin.ts'
import type { RED } from '../shared/red.ts'

/** Rows that are tried at once. */
const mostRules = 1_000

/**
 * What the form asks of the runtime, below `platziverse/topics/` of the admin API (see shared/admin.ts):
 *
 * - `try` `{broker, rules}` → `{messages, problems}`: what rows of "Other topics" make of the messages that the broker of the node with this id saw last, and
 *   what is wrong with rows
 */
export function registerAdmin (RED: RED): void {
  serveAdmin(RED, 'topics', {
    // Whoever sees messages of devices may also change what is read of them.
    try: { permission: 'write', answer: ({ broker, rules }, language) => tried(broker, rules, language) }
  })
}

async function tried (brokerId: unknown, rules: unknown, language: Language): Promise<{ messages: Tried[], problems: string[] }> {
  if (!Array.isArray(rules) || rules.length > mostRules) throw new PlatziverseError('ADMIN_REQUEST_INVALID', `rules is no list of at most ${mostRules} rows.`)
  const [, broker] = attachedBrokers().find(([id]) => id === brokerId) ?? []
  if (broker === undefined) throw new PlatziverseError('BROKER_MISSING', 'The broker is not deployed.')
  const table = new RuleTable(rules)
  // From the oldest on: some say what the names in later ones mean.
  const messages = (await seenMessages(String(brokerId), broker)).map(({ topic, payload, seenAt }): Tried => {
    if (payload === undefined) return { topic, payload: '', ...table.matches(topic) && { lines: [], detail: 'The message is too long to be tried here.' } }
    return tryRules(table, topic, payload, seenAt)
  })
  return {
    messages: messages.reverse().map(message => message.detail === undefined ? message : { ...message, detail: translated(message.detail, language) }),
    problems: table.problems.map(({ detail }) => translated(detail, language))
  }
}
