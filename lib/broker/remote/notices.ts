import { PlatziverseError } from '../../errors.ts'
import type { Problems } from '../../problems.ts'
import { WindowWatch } from './window-watch.ts'

/** What a worker notices of the messages that it is given, and an operator should know. */
export class Notices {
  readonly #problems: Problems
  readonly #window = new WindowWatch()
  #knowsOfQos = false

  constructor (problems: Problems) {
    this.#problems = problems
  }

  /** A message came. @param inFlight how many are not acknowledged now @param allowed how many this worker would take */
  message (topic: string, qos: number, inFlight: number, allowed: number): void {
    if (qos === 0 && !this.#knowsOfQos) {
      this.#knowsOfQos = true
      this.#problems.report('qos', new PlatziverseError('BROKER_QOS_LOW', `A message on ${JSON.stringify(topic)} came with QoS 0.`))
    }
    if (!this.#window.sees(inFlight, allowed)) return
    const detail = `The broker gives this worker no more than ${this.#window.widest} messages at one time, and waits for the database after each of these.`
    this.#problems.report('window', new PlatziverseError('BROKER_WINDOW_SMALL', detail))
  }
}
