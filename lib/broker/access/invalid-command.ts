import { errorsOf } from '../../errors.ts'

/** What is wrong with a command to the broker; never with a secret in it. */
export const invalidCommand = errorsOf('BROKER_COMMAND_INVALID')
