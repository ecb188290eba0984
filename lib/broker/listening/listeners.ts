import { isDeepStrictEqual } from 'node:util'
import type { ListenerOptions, TlsMaterial } from '../broker-options.ts'
import type { ListenerState } from '../broker.ts'
import { isLoopback } from '../loopback.ts'
import { openListener, type Door, type Listener } from './listener.ts'

interface Opened {
  options: ListenerOptions
  open: boolean
  state: ListenerState
  /** See `Listener`. */
  renew (tls: TlsMaterial): boolean
  close (): Promise<void>
}

/** The listeners of one broker: one that is configured again with the same options, or with another certificate alone, stays open, with its clients. */
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
      renew: tls => listener?.renew(tls) ?? false,
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
  // On loopback it makes no difference who may come from the network.
  return isDeepStrictEqual(opened.options, options) && (opened.open === open || isLoopback(options.host))
}

/** Whether all that changed is the certificate, and the listener has the new one now. */
function renewed (opened: Opened, options: ListenerOptions, open: boolean): boolean {
  const { tls } = options
  if (tls === undefined || opened.options.tls === undefined || !isSame(opened, { ...options, tls: opened.options.tls }, open) || !opened.renew(tls)) return false
  opened.options = options
  return true
}
