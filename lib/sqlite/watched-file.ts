import { rmSync, statSync, type BigIntStats } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { PlatziverseError } from '../errors.ts'

/** ms in which a file that vanished may come back, as in a restore, before an empty one is made. */
const patience = 2_000
/** ms in which a file that is still being copied changes. */
const copying = 300

const companions = ['-wal', '-shm'] as const

/**
 * Notices when an open SQLite file is no longer the one at its path: SQLite itself goes on writing to a file that was removed. The
 * file is never opened for this, because closing it again would drop SQLite's locks. https://sqlite.org/howtocorrupt.html
 */
export class WatchedFile {
  readonly #filename: string
  /** The identities of the open file and of those beside it, by suffix; undefined before a file was opened. */
  #files: Map<string, string | undefined> | undefined
  #missedAt: number | undefined

  constructor (filename: string) {
    this.#filename = filename
  }

  /** Whether the file at the path is the one that is open. A few microseconds. */
  get isThere (): boolean {
    return this.#files?.get('') !== undefined && this.#files.get('') === identityOf(this.#filename)
  }

  /** @throws PlatziverseError STORE_REPLACED */
  check (): void {
    if (!this.isThere) throw replaced(`${this.#filename} was ${identityOf(this.#filename) === undefined ? 'removed' : 'replaced'} while it was open.`)
  }

  /** Call when the file at the path is open and in use, so that those beside it are there. */
  opened (): void {
    this.#missedAt = undefined
    this.#files = new Map(['', ...companions].map(end => [end, identityOf(this.#filename + end)]))
  }

  /**
   * Call before the file at the path is opened again, while this process has none open: what the last file left beside it is
   * removed, because SQLite would take it for the new one's.
   * @throws PlatziverseError STORE_REPLACED as long as a restore may be under way
   */
  async makeWay (): Promise<void> {
    if (this.#files === undefined || this.isThere) return
    const found = stateOf(this.#filename)
    if (found === undefined) {
      this.#missedAt ??= performance.now()
      if (performance.now() - this.#missedAt < patience) throw replaced(`${this.#filename} was removed while it was open.`)
    } else {
      await setTimeout(copying)
      const after = stateOf(this.#filename)
      if (after?.ino !== found.ino || after.size !== found.size || after.mtimeNs !== found.mtimeNs) throw replaced(`${this.#filename} is being written by another program.`)
    }
    for (const end of companions) {
      const file = this.#files.get(end)
      if (file !== undefined && file === identityOf(this.#filename + end)) rmSync(this.#filename + end, { force: true })
    }
  }
}

function replaced (detail: string): PlatziverseError {
  return new PlatziverseError('STORE_REPLACED', detail)
}

/** Undefined also for a file that cannot be reached any more. */
function stateOf (path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

function identityOf (path: string): string | undefined {
  const state = stateOf(path)
  return state && `${state.dev}:${state.ino}`
}
