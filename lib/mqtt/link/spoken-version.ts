/** The version in which a broker is spoken to: MQTT 5, and 3.1.1 where it does not know that. */
export class SpokenVersion {
  #now: 4 | 5
  readonly #isFixed: boolean
  /** Whether the broker let a client in that spoke this version. */
  #isKnown = false

  constructor (wanted: 'auto' | '5' | '3.1.1' = 'auto') {
    this.#now = wanted === '3.1.1' ? 4 : 5
    this.#isFixed = wanted !== 'auto'
  }

  get now (): 4 | 5 { return this.#now }

  letIn (): void {
    this.#isKnown = true
  }

  /**
   * A client was not let in, and not because of who it is: the next attempt is in the other version.
   * @param isSaid whether the broker says that it does not speak this one; some hang up instead, as others do while they start
   * @returns whether that may follow at once, since 3.1.1 was not tried yet
   */
  refused (isSaid = false): boolean {
    if (this.#isFixed || (this.#isKnown && !isSaid)) return false
    this.#isKnown = false
    this.#now = this.#now === 5 ? 4 : 5
    return this.#now === 4
  }
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
