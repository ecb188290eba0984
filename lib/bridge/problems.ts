import { connectionFault } from '../connection-fault.ts'
import { PlatziverseError } from '../errors.ts'

/** Reports what an operator should know: the same problem of one subject again only after it was over. */
export class Problems {
  readonly #report: (problem: PlatziverseError) => void
  /** The code that was reported last, by subject. */
  readonly #reported = new Map<string, string>()

  constructor (report: (problem: PlatziverseError) => void) {
    this.#report = report
  }

  /** @param subject what has the problem, such as the connection */
  report (subject: string, problem: PlatziverseError): void {
    if (this.#reported.get(subject) === problem.code) return
    this.#reported.set(subject, problem.code)
    this.#report(problem)
  }

  /** The subject is well again. */
  solved (subject: string): void {
    this.#reported.delete(subject)
  }

  /** Report a fault that nobody expected, each time. */
  unexpected (thrown: unknown): void {
    this.#report(problemOf(thrown as Error))
  }
}

const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/

/** What an error of the connection means to an operator. */
export function problemOf (thrown: Error): PlatziverseError {
  const { cause, text } = connectionFault(thrown)
  const code = codeOf(cause)
  const detail = `${text}.`
  // The return codes of a CONNACK: identifier rejected, bad user name or password, not authorized.
  if (code === 2 || code === 4 || code === 5) return new PlatziverseError('BRIDGE_REFUSED', detail, { cause })
  if (typeof code === 'string' && certificateCodes.test(code)) return new PlatziverseError('BRIDGE_CERTIFICATE_REFUSED', detail, { cause })
  return new PlatziverseError('BRIDGE_UNREACHABLE', detail, { cause })
}

/** Node's code of an error, or the return code of a CONNACK. */
export function codeOf (error: Error): unknown {
  return (error as NodeJS.ErrnoException).code
}
