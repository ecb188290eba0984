import type { PacketGuard } from './packet-guard.ts'

/** Measures how long one packet of a client has been incomplete. */
export class BegunPacket {
  readonly #guard: PacketGuard
  /** When, in ms, it was first seen, and how many packets came before it. */
  #at = 0
  #after = -1

  constructor (guard: PacketGuard) {
    this.#guard = guard
  }

  /**
   * Whether it has been incomplete for too long. To be asked every second or so.
   * @param isHeldBack whether this broker has not read what the client sent
   * @param now ms
   * @param longest ms
   */
  stalls (isHeldBack: boolean, now: number, longest: number): boolean {
    const { begun, packets } = this.#guard
    if (begun > 0 && packets === this.#after && !isHeldBack) return now - this.#at >= longest
    this.#at = now
    this.#after = begun === 0 ? -1 : packets
    return false
  }
}
