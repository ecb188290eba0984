/** Rows so far, on one line of a terminal, once a second. */
export class Progress {
  #rows = 0
  #timer: NodeJS.Timeout | undefined

  constructor (quiet: boolean) {
    if (!quiet && process.stderr.isTTY) this.#timer = setInterval(() => { process.stderr.write(`\r${this.#rows} rows `) }, 1_000).unref()
  }

  add (rows: number): void { this.#rows += rows }

  end (): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    process.stderr.write(`\r${this.#rows} rows\n`)
  }
}
