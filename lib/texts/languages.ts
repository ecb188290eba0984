export const languages = ['en', 'es', 'pt'] as const
export type Language = typeof languages[number]

/**
 * The language of what a command prints.
 * @param given with `--lang`; undefined: that of the environment
 * @param invalid makes the error for one that is none of these
 * @throws what `invalid` makes
 */
export function languageOf (given: string | undefined, invalid: (detail: string) => Error, environment: NodeJS.ProcessEnv = process.env): Language {
  const language = languages.find(language => language === given)
  if (language !== undefined) return language
  if (given !== undefined) throw invalid(`--lang knows ${languages.join(', ')}, and not "${given}".`)
  return languageOfEnvironment(environment)
}

/** The language to say what is wrong with the options, of which `--lang` may be one. */
export function languageIn (args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Language {
  const at = args.findIndex(arg => /^--lang(?:=|$)/.test(arg))
  const given = args[at]?.split('=', 2)[1] ?? args[at + 1]
  return languages.find(language => at >= 0 && language === given) ?? languageOfEnvironment(environment)
}

function languageOfEnvironment (environment: NodeJS.ProcessEnv): Language {
  const locale = environment.LC_ALL || environment.LC_MESSAGES || environment.LANG || ''
  return languages.find(language => new RegExp(`^${language}(?![a-z])`, 'i').test(locale)) ?? 'en'
}
