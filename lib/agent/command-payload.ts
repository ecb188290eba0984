import { PlatziverseError } from '../errors.ts'
import { isObject } from '../is-object.ts'
import { decode } from '../messages/decode.ts'
import { show } from '../messages/metrics.ts'
import { day } from '../time.ts'

/** What an operator asks of an agent. What it does not name stays as it was configured. */
export interface Command {
  /** Ms between two rounds. */
  interval?: number
  /** The types to measure, each once. */
  metrics?: string[]
}

export type ReadCommand = { ok: true, command: Command } | { ok: false, error: PlatziverseError }

/** Ms that a command may ask for between two rounds. */
export const commandedInterval = { least: 100, most: day } as const
/** The most bytes of a command. */
export const mostCommandBytes = 64 * 1024
/** Unknown metrics that a refusal names. */
const mostNamed = 5

/**
 * Read the payload of a command.
 * @param available the types that this agent measures
 * @param forAll whether other agents get it too: then types that this agent does not have are other agents'
 */
export function readCommand (payload: Uint8Array, available: readonly string[], forAll: boolean): ReadCommand {
  if (payload.length > mostCommandBytes) return refuse('COMMAND_TOO_LARGE', `The command has more than ${mostCommandBytes} bytes.`)
  const decoded = decode(payload)
  if (!decoded.ok) return refuse('COMMAND_INVALID', decoded.detail)
  const { value } = decoded
  if (!isObject(value) || Array.isArray(value)) return refuse('COMMAND_INVALID', `A command is an object, and not ${show(JSON.stringify(value))}.`)
  const unknown = Object.keys(value).find(name => name !== 'interval' && name !== 'metrics')
  if (unknown !== undefined) return refuse('COMMAND_INVALID', `A command has interval and metrics, and not ${show(unknown)}.`)
  const { interval, metrics } = value
  if (interval !== undefined && !isInterval(interval)) {
    return refuse('COMMAND_INTERVAL_INVALID', `interval must be a whole number of ms from ${commandedInterval.least} to ${commandedInterval.most}, and is ${show(JSON.stringify(interval))}.`)
  }
  if (metrics !== undefined && !isListOfTexts(metrics)) return refuse('COMMAND_INVALID', 'metrics must be a list of metric types.')
  const strange = metrics === undefined ? [] : [...new Set(metrics)].filter(type => !available.includes(type))
  if (strange.length > 0 && !(forAll && strange.length < new Set(metrics).size)) return refuse('COMMAND_METRIC_UNKNOWN', `This agent does not measure ${named(strange)}.`)
  return {
    ok: true,
    command: {
      ...interval === undefined ? {} : { interval },
      ...metrics === undefined ? {} : { metrics: available.filter(type => metrics.includes(type)) }
    }
  }
}

function isInterval (value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= commandedInterval.least && (value as number) <= commandedInterval.most
}

function isListOfTexts (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(type => typeof type === 'string')
}

function named (types: readonly string[]): string {
  const names = types.slice(0, mostNamed).map(show).join(', ')
  return types.length > mostNamed ? `${names} and ${types.length - mostNamed} more` : names
}

function refuse (code: 'COMMAND_INVALID' | 'COMMAND_INTERVAL_INVALID' | 'COMMAND_METRIC_UNKNOWN' | 'COMMAND_TOO_LARGE', detail: string): ReadCommand {
  return { ok: false, error: new PlatziverseError(code, detail) }
}
