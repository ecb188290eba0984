import { PlatziverseError } from '../../lib/errors.ts'

/** What is wrong with a message to the node's input; never with a secret in it. */
export function invalid (detail: string): PlatziverseError {
  return new PlatziverseError('BROKER_COMMAND_INVALID', detail)
}
