import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PlatziverseError, reasonOf } from '../../../errors.ts'

/**
 * What a session at a broker subscribes to, in a file: the broker keeps it, and does not say. Without it, subscriptions of rows that were changed while this process
 * was not there would stay, and whatever one of them and a new one match would come twice.
 */
export class RememberedFilters {
  readonly #file: string | undefined
  readonly #wrote: (problem?: PlatziverseError) => void

  /**
   * @param folder absent: nothing is remembered
   * @param wrote is told what each writing came to
   */
  constructor (folder: string | undefined, clientId: string, wrote: (problem?: PlatziverseError) => void = () => undefined) {
    this.#wrote = wrote
    this.#file = folder === undefined ? undefined : join(folder, `${hash('sha1', clientId)}.json`)
  }

  /** @returns undefined: it is not known */
  read (): string[] | undefined {
    if (this.#file === undefined) return undefined
    try {
      const filters: unknown = JSON.parse(readFileSync(this.#file, 'utf8'))
      return Array.isArray(filters) && filters.every(filter => typeof filter === 'string') ? filters : undefined
    } catch {
      return undefined
    }
  }

  /** A disk that takes nothing is one that remembers nothing: that must not keep messages from coming. */
  write (filters: Iterable<string>): void {
    if (this.#file === undefined) return
    const text = JSON.stringify([...filters].sort())
    try {
      if (text === JSON.stringify(this.read()?.sort())) return
      mkdirSync(dirname(this.#file), { recursive: true })
      // Whole, or as it was: a kill in the middle would leave what cannot be read.
      writeFileSync(`${this.#file}.new`, text)
      renameSync(`${this.#file}.new`, this.#file)
      this.#wrote()
    } catch (cause) {
      this.#wrote(new PlatziverseError('BROKER_FOLDER_UNWRITABLE', `${this.#file} cannot be written: ${reasonOf(cause)}. Messages come all the same.`, { cause }))
    }
  }
}
