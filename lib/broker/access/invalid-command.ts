import { PlatziverseError } from '../../errors.ts'

/** What is wrong with a command to the broker; never with a secret in it. */
export function invalidCommand (detail: string): PlatziverseError {
  return new PlatziverseError('BROKER_COMMAND_INVALID', detail)
}
