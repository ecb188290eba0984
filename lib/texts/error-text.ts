import { errorHelp, reasonOf, type ErrorCode } from '../errors.ts'
import { agentSentences } from './agent-sentences.ts'
import { bridgeSentences } from './bridge-sentences.ts'
import { brokerSentences } from './broker-sentences.ts'
import { foreignSentences } from './foreign-sentences.ts'
import type { Language } from './languages.ts'
import { messageSentences } from './message-sentences.ts'
import { nodeSentences } from './node-sentences.ts'
import { portugueseAdvice } from './portuguese-advice.ts'
import { querySentences } from './query-sentences.ts'
import { patternsOf, valuesIn } from './sentence.ts'
import { spanishAdvice } from './spanish-advice.ts'
import { storeSentences } from './store-sentences.ts'
import { transferSentences } from './transfer-sentences.ts'

/** What each error advises, by language. */
export const advice: Record<Language, Record<ErrorCode, string>> = { en: errorHelp, es: spanishAdvice, pt: portugueseAdvice }

const patterns = patternsOf([
  agentSentences, bridgeSentences, brokerSentences, messageSentences, nodeSentences, querySentences, storeSentences, transferSentences, foreignSentences
])

const byEnglish = new Map(patterns.map(({ sentence }) => [sentence.en, sentence]))

/** Most characters of a text that are translated, and how deep sentences are in each other: strangers choose some of what is filled in. */
const longest = 10_000
const deepest = 4

/** An error as a command prints it: its code, what happened, what to do. What has no translation stays English. */
export function errorText (error: unknown, language: Language): string {
  return translated(reasonOf(error), language)
}

/** An error as people read it: what happened and what to do, with the code at the end. Undefined: it has no code. */
export function sentenceOf (error: unknown, language: Language): string | undefined {
  const coded = error instanceof Error ? codedIn(translated(error.message, language)) : undefined
  return coded && `${coded.rest} (${coded.code})`
}

/** A sentence of the tables, with what is filled in for `{1}`, `{2}` …; values may be sentences themselves. */
export function withValues (english: string, values: readonly string[], language: Language, depth = deepest): string {
  const text = language === 'en' ? english : byEnglish.get(english)?.[language] ?? english
  return text.replace(/\{(\d)\}/g, (_all, number: string) => translated(values[Number(number) - 1] ?? '', language, depth - 1))
}

/** An English sentence in a language: whole, or what is known of it. */
export function translated (text: string, language: Language, depth = deepest): string {
  if (language === 'en' || depth === 0 || text.length > longest) return text
  const coded = codedIn(text)
  if (coded !== undefined) return `${coded.code}: ${withAdvice(coded, language, depth)}`
  return sentenceIn(text, language, depth) ?? sentenceIn(`${text}.`, language, depth)?.slice(0, -1) ?? text
}

function sentenceIn (text: string, language: Exclude<Language, 'en'>, depth: number): string | undefined {
  for (const pattern of patterns) {
    const values = valuesIn(text, pattern)
    if (values !== undefined) return withValues(pattern.sentence.en, values, language, depth)
  }
  return undefined
}

interface Coded { code: string, rest: string }

/** Of a text such as an error has it: `CODE: what happened. What to do.` */
function codedIn (text: string): Coded | undefined {
  const [, code, rest] = /^([A-Z]+(?:_[A-Z]+)+): ([^]+)$/.exec(text) ?? []
  return code === undefined || rest === undefined ? undefined : { code, rest }
}

function withAdvice ({ code, rest }: Coded, language: Exclude<Language, 'en'>, depth: number): string {
  const help = errorHelp[code as ErrorCode] as string | undefined
  // Inside another sentence it has two full stops.
  const end = help === undefined ? -1 : rest.lastIndexOf(` ${help}`)
  // Not every code is an error's: a rejected message has one, too.
  if (help === undefined || end < 0 || rest.length - end - help.length > 2) return translated(rest, language, depth - 1)
  return `${translated(rest.slice(0, end), language, depth - 1)} ${advice[language][code as ErrorCode]}`
}
