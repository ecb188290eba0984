import { isDeepStrictEqual } from 'node:util'
import type { ListenerOptions } from '../broker-options.ts'
import type { ListenerState } from '../broker.ts'
import { isLoopback } from '../loopback.ts'
import { openListener, type Door, type Listener } from './listener.ts'

interface Opened {
  options: ListenerOptions
  open: boolean
  state: ListenerState
  /** See `Listener`. */
  renew (options: ListenerOptions): boolean
  close (): Promise<void>
}

/** The listeners of one broker: one that is configured again with the same options, or with another certificate or other web origins alone, stays open, with its clients. */
export class Listeners {
  #door: Door
  #report: (state: ListenerState, index: number) => void
  #opened: Opened[] = []
  /** Ports that are being freed: a new listener may want one of them. */
  #freeing = new Set<Promise<void>>()
  #closed = false

  constructor (door: Door, report: (state: ListenerState, index: number) => void) {
    this.#door = door
    this.#report = report
  }

  get states (): ListenerState[] { return this.#opened.map(({ state }) => state) }

  /** @param open whether clients from the network may come */
  configure (wanted: ListenerOptions[], open: boolean): void {
    if (this.#closed) return
    const before = this.#opened
    const kept = wanted.map(options => before.find(opened => isSame(opened, options, open)))
    for (const [i, options] of wanted.entries()) kept[i] ??= before.find(opened => !kept.includes(opened) && renewed(opened, options, open))
    for (const opened of before) if (!kept.includes(opened)) this.#free(opened)
    const freed = Promise.all(this.#freeing)
    this.#opened = wanted.map((options, i) => kept[i] ?? this.#open(options, open, freed))
  }

  async close (): Promise<void> {
    this.#closed = true
    for (const opened of this.#opened) this.#free(opened)
    await Promise.all(this.#freeing)
  }

  #open (options: ListenerOptions, open: boolean, freed: Promise<unknown>): Opened {
    let listener: Listener | undefined
    let closed = false
    const opened: Opened = {
      options,
      open,
      state: { state: 'starting' },
      renew: options => listener?.renew(options) ?? false,
      async close () {
        closed = true
        await listener?.close()
      }
    }
    void freed.then(() => {
      if (closed) return
      listener = openListener(options, open, this.#door, state => {
        opened.state = state
        const index = this.#opened.indexOf(opened)
        // One that was replaced reports nothing any more, unless the whole broker closes.
        if (index >= 0) this.#report(state, index)
      })
    })
    return opened
  }

  #free (opened: Opened): void {
    const freeing = opened.close().finally(() => { this.#freeing.delete(freeing) })
    this.#freeing.add(freeing)
  }
}

function isSame (opened: Opened, options: ListenerOptions, open: boolean): boolean {
  return isDeepStrictEqual(opened.options, options) && isAsOpen(opened, options, open)
}

/** Whether all that changed is what a listener can take while it listens, and it has that now. */
function renewed (opened: Opened, options: ListenerOptions, open: boolean): boolean {
  if (!isDeepStrictEqual(fixedOf(opened.options), fixedOf(options)) || !isAsOpen(opened, options, open) || !opened.renew(options)) return false
  opened.options = options
  return true
}

function isAsOpen (opened: Opened, { host }: ListenerOptions, open: boolean): boolean {
  // On loopback it makes no difference who may come from the network.
  return opened.open === open || isLoopback(host)
}

function fixedOf ({ tls: _tls, origins: _origins, ...fixed }: ListenerOptions): Partial<ListenerOptions> {
  return fixed
}
