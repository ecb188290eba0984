import { errorsOf } from '../../errors.ts'
import { languageOf as chosenLanguage, type Language } from '../../texts/languages.ts'
import { english, type Texts } from './english.ts'
import { portuguese } from './portuguese.ts'
import { spanish } from './spanish.ts'

export { languageIn, languages, type Language } from '../../texts/languages.ts'
export type { Texts } from './english.ts'

export const invalid = errorsOf('TERMINAL_OPTION_INVALID')

const catalogues: Record<Language, Texts> = { en: english, es: spanish, pt: portuguese }

/** @throws PlatziverseError TERMINAL_OPTION_INVALID for a language that is none of these */
export function languageOf (given: string | undefined, environment?: NodeJS.ProcessEnv): Language {
  return chosenLanguage(given, invalid, environment)
}

export function textsIn (language: Language): Texts {
  return catalogues[language]
}
