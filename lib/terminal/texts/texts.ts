import { errorsOf } from '../../errors.ts'
import { english, type Texts } from './english.ts'
import { portuguese } from './portuguese.ts'
import { spanish } from './spanish.ts'

export type { Texts } from './english.ts'

export const invalid = errorsOf('TERMINAL_OPTION_INVALID')

export const languages = ['en', 'es', 'pt'] as const
export type Language = typeof languages[number]

const catalogues: Record<Language, Texts> = { en: english, es: spanish, pt: portuguese }

/** @throws PlatziverseError TERMINAL_OPTION_INVALID for a language that is none of these */
export function languageOf (given: string | undefined, environment: NodeJS.ProcessEnv = process.env): Language {
  const language = languages.find(language => language === given)
  if (language !== undefined) return language
  if (given !== undefined) throw invalid(`--lang knows ${languages.join(', ')}, and not "${given}".`)
  const locale = environment.LC_ALL || environment.LC_MESSAGES || environment.LANG || ''
  return languages.find(language => new RegExp(`^${language}(?![a-z])`, 'i').test(locale)) ?? 'en'
}

/** The language to say what is wrong with the options, of which `--lang` may be one. */
export function languageIn (args: readonly string[]): Language {
  const at = args.findIndex(arg => /^--lang(?:=|$)/.test(arg))
  const given = args[at]?.split('=', 2)[1] ?? args[at + 1]
  return languages.find(language => at >= 0 && language === given) ?? languageOf(undefined)
}

export function textsIn (language: Language): Texts {
  return catalogues[language]
}
