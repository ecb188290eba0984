import { randomUUID } from 'node:crypto'
import type { Login } from '../../lib/broker/broker.ts'
import { isObject } from './admin.ts'
import { invalid } from './invalid.ts'

/** What the flow is asked. */
export interface Question extends Omit<Partial<Login>, 'clientId' | 'username'> {
  /** For the answer; nobody can guess it, and it is good for one. */
  id: string
  clientId: string
  username: string
}

/** ms that the flow has for its answer. */
const standardLimit = 5_000

/** The logins that a flow decides: each is asked once, and nobody who is not answered for in time comes in. */
export class Logins {
  #ask: (question: Question) => void
  #timeLimit: number
  /** As many as the broker asks at a time: it sees to the bound. */
  #open = new Map<string, (allow?: boolean) => void>()
  #closed = false

  constructor (ask: (question: Question) => void, timeLimit = standardLimit) {
    this.#ask = ask
    this.#timeLimit = timeLimit
  }

  /** The broker's `decide`. */
  decide ({ clientId, username, password, address }: Login): Promise<boolean | undefined> {
    return new Promise(resolve => {
      if (this.#closed) return resolve(undefined)
      const id = randomUUID()
      const end = (allow?: boolean): void => {
        clearTimeout(timer)
        this.#open.delete(id)
        resolve(allow)
      }
      const timer = setTimeout(end, this.#timeLimit)
      this.#open.set(id, end)
      this.#ask({ id, clientId, username, ...password === undefined ? {} : { password }, ...address === undefined ? {} : { address } })
    })
  }

  /** @throws PlatziverseError BROKER_COMMAND_INVALID */
  answer (payload: unknown): void {
    const { id, allow } = isObject(payload) ? payload : {}
    if (typeof id !== 'string') throw invalid('The payload needs the id of the question.')
    if (typeof allow !== 'boolean') throw invalid('allow is to be true or false.')
    const end = this.#open.get(id)
    if (end === undefined) throw invalid('No question with this id is open: it was answered before, or too late.')
    end(allow)
  }

  /** Whatever is open ends undecided, and nothing is asked any more. */
  close (): void {
    this.#closed = true
    for (const end of this.#open.values()) end()
  }
}
