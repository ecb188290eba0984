import type { PlatziverseError } from './errors.ts'

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

  /** Report something each time. */
  always (problem: PlatziverseError): void {
    this.#report(problem)
  }

  /** The subject is well again. */
  solved (subject: string): void {
    this.#reported.delete(subject)
  }
}
