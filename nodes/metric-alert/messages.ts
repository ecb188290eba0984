import type { AlertRule } from '../../lib/alerts/rules/alert-rule.ts'
import type { Notice } from '../../lib/alerts/telling.ts'
import type { AlertChoice } from '../../lib/alerts/terms.ts'
import { digestTexts, textsOf } from '../../lib/alerts/texts/alert-texts.ts'
import type { Language } from '../../lib/texts/languages.ts'

/** Announces changes: one, or several in one message. */
export type Announcing = (notices: readonly Notice[], isTest?: boolean) => void

/** What one output of the node sends: `output` is its number from 0. */
export interface AlertMessage { output: 0 | 1 | 3, msg: { topic: string, payload: unknown } }

export interface Surroundings {
  /** Of `text`. */
  language: Language
  /** With `{uuid}` and `{type}`; empty: there is none. */
  link: string
}

/** The announcement; then, unless it is a test, each change by itself, for whoever keeps the state of each alert. */
export function messagesOf (notices: readonly Notice[], surroundings: Surroundings, isTest = false): AlertMessage[] {
  const states = isTest ? [] : notices.map((notice): AlertMessage => ({ output: 3, msg: messageOf(notice, surroundings, false) }))
  return [announcementOf(notices, surroundings, isTest), ...states]
}

function announcementOf (notices: readonly Notice[], surroundings: Surroundings, isTest: boolean): AlertMessage {
  const [only, ...others] = notices
  if (only !== undefined && others.length === 0) {
    return { output: only.state === 'raised' ? 0 : 1, msg: messageOf(only, surroundings, isTest) }
  }
  const texts = digestTexts(notices)
  const isOver = notices.every(({ state }) => state === 'cleared')
  const payload = { state: 'digest', text: texts[surroundings.language], texts, changes: notices.map(notice => payloadOf(notice, surroundings, false)) }
  return { output: isOver ? 1 : 0, msg: { topic: 'alert', payload } }
}

function messageOf (notice: Notice, surroundings: Surroundings, isTest: boolean): AlertMessage['msg'] {
  return { topic: topicOf(notice.uuid, notice.type), payload: { ...payloadOf(notice, surroundings, isTest), ...isTest ? { test: true } : {} } }
}

function payloadOf (notice: Notice, { language, link }: Surroundings, isTest: boolean): object {
  const { state, rule, uuid, name, type, value, since, at, repeat, raised } = notice
  const texts = textsOf(notice, isTest)
  return {
    state,
    rule: rule.name,
    severity: rule.severity,
    agent: { uuid, name },
    ...type === '' ? {} : { type },
    ...value === null ? {} : { value },
    since,
    at,
    ...repeat > 0 ? { repeat } : {},
    raised,
    text: texts[language],
    texts,
    ...link === '' ? {} : { link: link.replaceAll('{uuid}', encodeURIComponent(uuid)).replaceAll('{type}', encodeURIComponent(type)) }
  }
}

/** A topic that can be published to, with the uuid as one level. */
function topicOf (uuid: string, type: string): string {
  return ['alert', uuid.replace(/[/+#\0]/g, '_'), ...type === '' ? [] : [type.replace(/[+#\0]/g, '_')]].join('/')
}

/** A change that did not happen. */
export function testNotice (rule: AlertRule, state: Notice['state'], { uuid = 'test', type = 'test' }: AlertChoice): Notice {
  const isOfAgent = rule.types === undefined
  const value = rule.condition === 'equals' ? rule.text : rule.value
  const now = Date.now()
  return { state, rule, uuid, name: null, type: isOfAgent ? '' : type, value: isOfAgent || rule.condition === 'noNews' ? null : value, since: now, at: now, repeat: 0, raised: state === 'raised' ? [rule.name] : [] }
}
