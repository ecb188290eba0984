/** How a broker is spoken to, of several ways: the first that it lets a client in with. */
export class Spoken<Way> {
  readonly #ways: readonly Way[]
  #at = 0
  /** Whether the broker let a client in that spoke this way. */
  #isKnown = false

  /** @param ways at least one, the best first */
  constructor (ways: readonly Way[]) {
    this.#ways = ways
  }

  get now (): Way { return this.#ways[this.#at] as Way }

  letIn (): void {
    this.#isKnown = true
  }

  /**
   * A client was not let in, and not because of who it is: the next attempt is in the next way.
   * @param isSaid whether the broker says that it does not speak this one; some hang up instead, as others do while they start
   * @returns whether that may follow at once, since the ways after this one were not tried yet
   */
  refused (isSaid = false): boolean {
    if (this.#ways.length === 1 || (this.#isKnown && !isSaid)) return false
    this.#isKnown = false
    this.#at = (this.#at + 1) % this.#ways.length
    return this.#at > 0
  }
}

/** auto: 5, and 3.1.1 where the broker does not speak it. */
export type WantedVersion = 'auto' | '5' | '3.1.1'

/** The version in which a broker is spoken to: MQTT 5, and 3.1.1 where it does not know that. */
export class SpokenVersion extends Spoken<4 | 5> {
  constructor (wanted: WantedVersion = 'auto') {
    super(versionsOf(wanted))
  }
}

/** The versions that may be spoken, as CONNECT has them. */
export function versionsOf (wanted: WantedVersion): ReadonlyArray<4 | 5> {
  return wanted === 'auto' ? [5, 4] : [wanted === '5' ? 5 : 4]
}

/** Addresses that are remembered at once. */
const mostAddresses = 16

/** The versions in which the brokers at some addresses are spoken to. */
export class SpokenVersions {
  readonly #byAddress = new Map<string, SpokenVersion>()

  of (address: string): SpokenVersion {
    let version = this.#byAddress.get(address)
    if (version === undefined) {
      if (this.#byAddress.size >= mostAddresses) this.#byAddress.clear()
      this.#byAddress.set(address, version = new SpokenVersion())
    }
    return version
  }
}
