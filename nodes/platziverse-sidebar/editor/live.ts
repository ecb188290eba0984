import { parts, type Part } from '../../../lib/overview/shown.ts'
import { RED } from '../../shared/editor/red.ts'
import { changeTopic } from '../config.ts'

/** ms between two questions, at least; and until everything is asked for again, which also keeps the runtime telling us. */
const shortest = 1_000
const longest = 15_000
/** How many times as long as an answer took we wait with the next question. */
const rest = 4

/** Asks again when the runtime says that something changed, and only while somebody can see it. */
export class Live {
  readonly #ask: (parts: Part[]) => Promise<void>
  #due = new Set<Part>()
  #isOn = false
  #isAsking = false
  #next = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #renewal: ReturnType<typeof setInterval> | undefined
  readonly #heard = (_topic: string, data: unknown): void => {
    const { changed } = data as { changed: Part[] }
    this.#want(changed)
  }

  /** @param ask asks the runtime and shows the answer; must not fail */
  constructor (ask: (parts: Part[]) => Promise<void>) {
    this.#ask = ask
  }

  start (): void {
    if (this.#isOn) return
    this.#isOn = true
    RED.comms.subscribe(changeTopic, this.#heard)
    this.#renewal = setInterval(() => { this.#want(parts) }, longest)
    this.now()
  }

  stop (): void {
    if (!this.#isOn) return
    this.#isOn = false
    RED.comms.unsubscribe(changeTopic, this.#heard)
    clearInterval(this.#renewal)
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Ask without waiting: somebody does. */
  now (wanted: readonly Part[] = parts): void {
    this.#next = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#want(wanted)
  }

  #want (wanted: readonly Part[]): void {
    for (const part of wanted) this.#due.add(part)
    if (!this.#isOn || this.#isAsking || this.#timer !== undefined) return
    this.#timer = setTimeout(() => { void this.#run() }, Math.max(0, this.#next - performance.now()))
  }

  async #run (): Promise<void> {
    this.#timer = undefined
    this.#isAsking = true
    const due = [...this.#due]
    this.#due.clear()
    const started = performance.now()
    // Unless somebody asks for more meanwhile.
    this.#next = Number.POSITIVE_INFINITY
    await this.#ask(due)
    this.#isAsking = false
    const took = performance.now() - started
    if (this.#next > 0) this.#next = started + Math.max(shortest, (1 + rest) * took)
    if (this.#due.size > 0) this.#want([])
  }
}
