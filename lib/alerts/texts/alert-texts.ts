import { languages, type Language } from '../../texts/languages.ts'
import type { Sentence } from '../../texts/sentence.ts'
import type { Notice } from '../telling.ts'
import { ofAgents, phrases, right, severityNames, wrong } from './sentences.ts'

export type Texts = Record<Language, string>

/** Most changes that a digest names: what it is sent to takes a few lines. */
const mostNamed = 20

const locales: Record<Language, string> = { en: 'en-GB', es: 'es-ES', pt: 'pt-BR' }
const dates = inEach(language => new Intl.DateTimeFormat(locales[language], { dateStyle: 'short', timeStyle: 'short' }))
const numbers = inEach(language => new Intl.NumberFormat(locales[language], { maximumSignificantDigits: 6 }))

/** What is said of a change, ready to be sent, in each language; times are in the time zone of the process. */
export function textsOf (notice: Notice, isTest = false): Texts {
  return inEach(language => {
    const text = changeIn(notice, language)
    return isTest ? filled(phrases.test, language, [text]) : text
  })
}

/** What is said of several changes at once: how many, and what those were that came first. */
export function digestTexts (notices: readonly Notice[]): Texts {
  const raised = notices.filter(({ state }) => state === 'raised').length
  return inEach(language => [
    filled(phrases.digest, language, [String(raised), String(notices.length - raised)]),
    ...notices.slice(0, mostNamed).map(notice => `- ${changeIn(notice, language)}`),
    ...notices.length > mostNamed ? [filled(phrases.more, language, [String(notices.length - mostNamed)])] : []
  ].join('\n'))
}

function changeIn (notice: Notice, language: Language): string {
  const { state, rule, since, repeat } = notice
  const what = filled(sentenceOf(notice), language, valuesOf(notice, language))
  const date = dates[language].format(since)
  if (state === 'cleared') return filled(phrases.cleared, language, [what, date, rule.name])
  return filled(repeat > 0 ? phrases.still : phrases.raised, language, [severityNames[rule.severity][language], what, date, rule.name])
}

function sentenceOf ({ state, rule, type }: Notice): Sentence {
  const kind = state === 'raised' ? 'wrong' : 'right'
  if (rule.condition === 'noNews' && type === '') return ofAgents[kind]
  return (kind === 'wrong' ? wrong : right)[rule.condition]
}

function valuesOf ({ rule, uuid, name, type, value }: Notice, language: Language): string[] {
  const said = (value: number | string | null): string => typeof value === 'number' ? numbers[language].format(value) : value ?? '?'
  const compared = rule.condition === 'equals' ? rule.text : said(rule.value)
  return [name ?? uuid, type, said(value), compared, rule.condition === 'changedFaster' ? `${said(rule.within / 1000)} s` : said(rule.high)]
}

function filled (sentence: Sentence, language: Language, values: readonly string[]): string {
  return sentence[language].replace(/\{(\d)\}/g, (gap, place: string) => values[Number(place) - 1] ?? gap)
}

function inEach<Value> (of: (language: Language) => Value): Record<Language, Value> {
  return Object.fromEntries(languages.map(language => [language, of(language)])) as Record<Language, Value>
}
