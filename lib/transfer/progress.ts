/** Rows so far, on one line of a terminal, once a second. */
export class Progress {
  #rows = 0
  #say: (rows: number) => string
  #timer: NodeJS.Timeout | undefined

  /** @param say how many they are */
  constructor (quiet: boolean, say: (rows: number) => string) {
    this.#say = say
    if (!quiet && process.stderr.isTTY) this.#timer = setInterval(() => { process.stderr.write(`\r${this.#say(this.#rows)} `) }, 1_000).unref()
  }

  add (rows: number): void { this.#rows += rows }

  end (): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    process.stderr.write(`\r${this.#say(this.#rows)}\n`)
  }
}
