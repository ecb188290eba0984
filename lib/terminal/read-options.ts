import { parseArgs, type ParseArgsConfig } from 'node:util'
import { reasonOf } from '../errors.ts'
import { invalid } from './texts/texts.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** The options of a part of the command. @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function readOptions<const T extends Options> (args: string[], options: T): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  try {
    return parseArgs({ args, options }).values
  } catch (error) {
    throw invalid(`${reasonOf(error).replace(/\.$/, '').replaceAll('\n', ' ')}; see --help.`, error)
  }
}
