import { PlatziverseError } from '../../errors.ts'
import type { Message } from '../../messages/parse.ts'
import { interests } from './interest.ts'
import { LiveQuestion, type Followed } from './live-question.ts'

type Stored = ReadonlyArray<{ message: Message }>

/** Tells what is stored, and which agents are forgotten. */
export interface Source {
  /** @returns call it to listen no longer */
  listen (listener: { stored (messages: Stored): void, forgotten (uuid: string): void }): () => void
}

/** Most live questions at once: each asks the database again and again. */
const mostQuestions = 100

/**
 * Questions that are asked again when something is stored, or an agent forgotten, that may change their answers. Without any of them nobody listens to what
 * is stored; with them a message costs one look-up by its agent.
 */
export class LiveQuestions {
  readonly #source: Source
  readonly #questions = new Map<string, LiveQuestion>()
  /** Those that wait for something to be stored: of any agent, and of certain ones. */
  readonly #ofAny = new Set<LiveQuestion>()
  readonly #ofAgent = new Map<string, Set<LiveQuestion>>()
  #stopListening: (() => void) | undefined

  constructor (source: Source) {
    this.#source = source
  }

  get size (): number { return this.#questions.size }

  /**
   * Ask, and go on asking. A question that never makes sense ends at once; one that fails otherwise may have an answer later.
   * @param key ends the question that has it already
   * @throws PlatziverseError QUERY_LIVE_TOO_MANY, or what the first time of asking throws
   */
  async start (key: string, followed: Followed): Promise<void> {
    this.end(key)
    if (this.#questions.size >= mostQuestions) throw new PlatziverseError('QUERY_LIVE_TOO_MANY', `${mostQuestions} questions are followed already.`)
    const question: LiveQuestion = new LiveQuestion(followed, () => { if (this.#questions.get(key) === question) this.#wait(question) })
    this.#questions.set(key, question)
    this.#stopListening ??= this.#source.listen({
      stored: messages => { this.#stored(messages) },
      forgotten: uuid => { this.#forgotten(uuid) }
    })
    try {
      await question.start()
    } catch (error) {
      if (error instanceof PlatziverseError && error.code === 'QUERY_INVALID' && this.#questions.get(key) === question) this.end(key)
      throw error
    }
  }

  end (key: string): void {
    const question = this.#questions.get(key)
    if (question === undefined) return
    question.end()
    this.#questions.delete(key)
    this.#stopWaiting(question)
    if (this.#questions.size > 0) return
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  close (): void {
    for (const key of this.#questions.keys()) this.end(key)
  }

  #stored (messages: Stored): void {
    for (const { message } of messages) {
      for (const question of this.#ofAny) this.#tell(question, message)
      const ofAgent = this.#ofAgent.get(message.payload.agent.uuid)
      if (ofAgent !== undefined) for (const question of ofAgent) this.#tell(question, message)
    }
  }

  /** Whatever such a question is about, the agent may be in its answer. */
  #forgotten (uuid: string): void {
    for (const question of [...this.#ofAny, ...this.#ofAgent.get(uuid) ?? []]) this.#wake(question)
  }

  #tell (question: LiveQuestion, message: Message): void {
    if (interests(question.followed.interest, message)) this.#wake(question)
  }

  #wake (question: LiveQuestion): void {
    this.#stopWaiting(question)
    question.tell()
  }

  #wait (question: LiveQuestion): void {
    const { uuids } = question.followed.interest
    if (uuids === undefined) this.#ofAny.add(question)
    else for (const uuid of uuids) this.#ofAgent.set(uuid, (this.#ofAgent.get(uuid) ?? new Set()).add(question))
  }

  #stopWaiting (question: LiveQuestion): void {
    this.#ofAny.delete(question)
    for (const uuid of question.followed.interest.uuids ?? []) {
      const others = this.#ofAgent.get(uuid)
      others?.delete(question)
      if (others?.size === 0) this.#ofAgent.delete(uuid)
    }
  }
}
