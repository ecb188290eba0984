import { errorHelp } from '../../lib/errors.ts'
import { isFatal } from './worker.ts'

/** Errors and warnings of a log: how often each code came, and the errors that have none. */
export interface LoggedErrors { byCode: Map<string, number>, withoutCode: Map<string, number>, fatal: Map<string, number> }

const codes = new RegExp(`\\b(?:${Object.keys(errorHelp).join('|')})\\b`)

export function errorsIn (log: string): LoggedErrors {
  const errors: LoggedErrors = { byCode: new Map(), withoutCode: new Map(), fatal: new Map() }
  for (const line of log.split('\n')) {
    const code = codes.exec(line)?.[0]
    if (isFatal(line)) count(errors.fatal, shortened(line))
    else if (code !== undefined) count(errors.byCode, code)
    else if (line.includes('[error]')) count(errors.withoutCode, shortened(line))
  }
  return errors
}

function count (counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Without its time and its numbers. */
const shortened = (line: string): string => line.replace(/^\d+ \w+ [\d:]+ - /, '').replace(/\d{2,}/g, 'N').slice(0, 200)
