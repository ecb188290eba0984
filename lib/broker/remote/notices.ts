import { PlatziverseError } from '../../errors.ts'
import type { Problems } from '../../problems.ts'
import type { Task } from './tasks.ts'
import { WindowWatch } from './session/window-watch.ts'

/** What a worker notices of the messages that it is given, and an operator should know. */
export class Notices {
  readonly #task: Pick<Task, 'name' | 'isOfAgents'>
  readonly #problems: Problems
  readonly #window = new WindowWatch()
  #knowsOfQos = false

  constructor (task: Pick<Task, 'name' | 'isOfAgents'>, problems: Problems) {
    this.#task = task
    this.#problems = problems
  }

  /** A message came. @param inFlight how many are not acknowledged now @param allowed how many this worker would take */
  message (topic: string, qos: number, inFlight: number, allowed: number): void {
    // Of many devices nobody can choose the QoS.
    if (qos === 0 && this.#task.isOfAgents && !this.#knowsOfQos) {
      this.#knowsOfQos = true
      this.#problems.report('qos', new PlatziverseError('BROKER_QOS_LOW', `A message on ${JSON.stringify(topic)} came with QoS 0.`))
    }
    if (!this.#window.sees(inFlight, allowed)) return
    const detail = `The broker gives this worker no more than ${this.#window.widest} messages at one time, and waits for the database after each of these.`
    this.#problems.report(`${this.#task.name}window`, new PlatziverseError('BROKER_WINDOW_SMALL', detail))
  }
}
