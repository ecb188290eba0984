import { sentenceOf, translated, withValues } from '../../lib/texts/error-text.ts'
import { languages, type Language } from '../../lib/texts/languages.ts'
import type { RED } from './red.ts'

/** Says an English sentence of lib/texts in the reader's language; with values, for its `{1}`, `{2}` …, which may be such sentences themselves. */
export type Say = (english: string, ...values: string[]) => string

/** The texts that several nodes share are the broker's. */
const catalogue = '@platziverse/node-red-platziverse/platziverse-broker'

/** The language of Node-RED's log and of what nodes tell: `lang` in its settings, or that of its environment. */
export function languageOf (RED: RED): Language {
  const key = 'shared.error.language'
  const said: string = RED._(`${catalogue}:${key}`)
  return languages.find(language => language === said) ?? 'en'
}

export function sayIn (language: Language): Say {
  return (english, ...values) => values.length === 0 ? translated(english, language) : withValues(english, values, language)
}

/** An error for people, in Node-RED's language; see `sentenceOf`. */
export function tellingOf (RED: RED, error: Error): string {
  return sentenceOf(error, languageOf(RED)) ?? error.message
}
