import { randomUUID } from 'node:crypto'
import { isObject } from '../../is-object.ts'
import { invalidCommand } from '../access/invalid-command.ts'
import type { Login } from '../broker-options.ts'

/** A question to the flow. */
export interface Question extends Omit<Partial<Login>, 'clientId' | 'username'> {
  /** Goes into the answer: nobody can guess it, and it is good for one answer. */
  id: string
  clientId: string
  username: string
}

/** ms that the flow has for its answer. */
const standardLimit = 5_000

/** The logins that a flow decides. Each is asked once; a client whose answer does not come in time is not let in. */
export class LoginQuestions {
  #ask: (question: Question) => void
  #timeLimit: number
  /** The broker bounds how many it asks at a time. */
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
    if (typeof id !== 'string') throw invalidCommand('The payload needs the id of the question.')
    if (typeof allow !== 'boolean') throw invalidCommand('allow must be true or false.')
    const end = this.#open.get(id)
    if (end === undefined) throw invalidCommand('No question with this id is open: it was answered before, or too late.')
    end(allow)
  }

  /** Leave every open question undecided, and ask no more. */
  close (): void {
    this.#closed = true
    for (const end of this.#open.values()) end()
  }
}
