/** ms by which the clock may drift between two looks, and be slewed. */
const drift = 2_000

/** Notices that the clock was set, or stood still with the whole machine: what is measured by it would be too long or too short. */
export class ClockSteps {
  #offset = Date.now() - performance.now()

  /** @returns by how many ms the clock was set forward since the last look, or negative, back; 0: it was not */
  look (): number {
    const offset = Date.now() - performance.now()
    const step = Math.round(offset - this.#offset)
    this.#offset = offset
    return Math.abs(step) < drift ? 0 : step
  }
}
