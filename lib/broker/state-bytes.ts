/** Bytes that each client and each session may take without being counted, so that clients that ask for little are served whatever the others take. */
const ownBytes = 4_096
/** About the bytes that a filter takes besides its text, and that each of its levels takes. */
const bytesOfFilter = 1_000
const bytesOfLevel = 240

/** Bounds what all clients and sessions together have the broker remember. */
export class StateBytes {
  /** Bytes; 0: no limit. */
  limit = 0
  /** Called when something other than a connection is refused. */
  refused: () => void = () => undefined
  #counted = 0

  hasRoomFor (bytes: number): boolean {
    return bytes <= 0 || this.limit === 0 || this.#counted + bytes <= this.limit
  }

  add (bytes: number): void {
    this.#counted += bytes
  }
}

/** The bytes that one client or session has the broker remember. */
export class StateShare {
  readonly #all: StateBytes
  #bytes = 0
  #ended = false

  constructor (all: StateBytes) {
    this.#all = all
  }

  hasRoomFor (bytes: number): boolean {
    return this.#all.hasRoomFor(counted(this.#bytes + bytes) - counted(this.#bytes))
  }

  /** @param bytes negative to give some back */
  add (bytes: number): void {
    if (this.#ended) return
    this.#all.add(counted(this.#bytes + bytes) - counted(this.#bytes))
    this.#bytes += bytes
  }

  /** Give everything back; later changes do not count. */
  end (): void {
    this.add(-this.#bytes)
    this.#ended = true
  }
}

/** The most bytes that a text takes. */
export function textBytes (text: string | undefined): number {
  return (text?.length ?? 0) * 2
}

/** About the bytes that a filter of a connected client takes. */
export function filterBytes (filter: string): number {
  let levels = 1
  for (let at = filter.indexOf('/'); at >= 0; at = filter.indexOf('/', at + 1)) levels++
  return bytesOfFilter + textBytes(filter) + levels * bytesOfLevel
}

function counted (bytes: number): number {
  return Math.max(0, bytes - ownBytes)
}
