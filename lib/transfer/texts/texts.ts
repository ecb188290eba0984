import { errorText } from '../../texts/error-text.ts'
import type { Language } from '../../texts/languages.ts'
import { english, type Texts } from './english.ts'
import { portuguese } from './portuguese.ts'
import { spanish } from './spanish.ts'

export type { Texts } from './english.ts'

const catalogues: Record<Language, Texts> = { en: english, es: spanish, pt: portuguese }

export function textsIn (language: Language): Texts {
  return catalogues[language]
}

/** Why the command failed. */
export function failureText (error: unknown, language: Language): string {
  const text = errorText(error, language)
  const end = textsIn(language).keepsTrying.map(sentence => ` ${sentence}`).find(sentence => text.endsWith(sentence)) ?? ''
  return text.slice(0, text.length - end.length)
}
