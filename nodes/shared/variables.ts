import { PlatziverseError } from '../../lib/errors.ts'

const alone = /^\$(?:\{([^{}\s]+)\}|\(([^()\s]+)\))$/
const within = /\$\{[^{}]+\}/

/**
 * Refuses properties in which a variable was left. Node-RED replaces one where it is the whole property and has a value, and leaves everything else as
 * it is: a host called `${HOST}`.
 * @param names of the properties that are used
 * @throws PlatziverseError VARIABLE_UNSET
 */
export function checkVariables<Config extends object> (config: Config, names: ReadonlyArray<keyof Config & string>): void {
  const problem = unsetIn(config, names)
  if (problem !== undefined) throw problem
}

/** What `checkVariables` throws. */
export function unsetIn<Config extends object> (config: Config, names: ReadonlyArray<keyof Config & string>): PlatziverseError | undefined {
  for (const name of names) {
    const value: unknown = config[name]
    if (typeof value !== 'string') continue
    const [found, braced, parenthesised] = alone.exec(value.trim()) ?? []
    if (found !== undefined) return new PlatziverseError('VARIABLE_UNSET', `The property "${name}" is the variable ${braced ?? parenthesised}, which is not set.`)
    if (within.test(value)) return new PlatziverseError('VARIABLE_UNSET', `The property "${name}" has a variable in it, which is not replaced there.`)
  }
  return undefined
}
