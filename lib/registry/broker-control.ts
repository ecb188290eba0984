import { isElsewhere, type Access, type BrokerOptions } from '../broker/broker-options.ts'
import type { Broker } from '../broker/broker.ts'
import { PlatziverseError } from '../errors.ts'

/** The broker that is controlled, as its slot knows it. */
export interface Controlled {
  /** Undefined while it is not there. */
  broker (): Broker | undefined
  /** The broker, once it is there. @throws PlatziverseError BROKER_MISSING */
  opened (): Promise<Broker>
  /** The options that were deployed, and those in force. */
  options (): { deployed: BrokerOptions | undefined, now: BrokerOptions | undefined }
  apply (options: BrokerOptions): Promise<void>
}

/** What an operator does with a broker that runs here. One elsewhere has no such thing: users, sessions and agents are its own. */
export class BrokerControl {
  readonly #of: Controlled
  /** Settles with the last reload that was asked for. */
  #reloading: Promise<unknown> = Promise.resolve()

  constructor (of: Controlled) {
    this.#of = of
  }

  /**
   * Put other users or rules in force until the next deploy; one reload after another.
   * @param change gets what is in force, and returns what replaces it
   * @returns what is in force now
   * @throws PlatziverseError BROKER_MISSING, BROKER_COMMAND_INVALID when a deploy came in between, and what `change` throws
   */
  reload (change: (now: Access) => Promise<Partial<Access>>): Promise<Access> {
    const { deployed } = this.#of.options()
    const reloading = this.#reloading.then(async () => {
      const { now } = this.#of.options()
      if (deployed === undefined || now === undefined) throw new PlatziverseError('BROKER_MISSING', 'The broker is not there.')
      if (isElsewhere(now)) throw new PlatziverseError('BROKER_COMMAND_INVALID', 'The broker runs elsewhere. Its users and rules are its own.')
      const options = { ...now, ...await change(now) }
      if (this.#of.options().deployed !== deployed) throw new PlatziverseError('BROKER_COMMAND_INVALID', 'A deploy came in between: nothing was reloaded.')
      await this.#of.apply(options)
      return options
    })
    this.#reloading = reloading.catch(() => undefined)
    return reloading
  }

  /** See `ClientHost`. */
  disconnect (clientId: string, banned?: number): boolean {
    return this.#of.broker()?.disconnect?.(clientId, banned) ?? false
  }

  /** See `ClientHost`. @throws PlatziverseError BROKER_MISSING */
  async endSession (clientId: string): Promise<{ disconnected: boolean, ended: boolean }> {
    const broker = await this.#of.opened()
    return await broker.endSession?.(clientId) ?? { disconnected: false, ended: false }
  }

  /**
   * Let an agent belong to the next user who speaks for it.
   * @returns whose it was; undefined: nobody's
   * @throws PlatziverseError BROKER_MISSING
   */
  async forgetAgent (uuid: string): Promise<string | undefined> {
    const { owners } = await this.#of.opened()
    return await owners.forget(uuid)
  }

  /**
   * `forgetAgent` for all agents of a user.
   * @returns how many they were
   * @throws PlatziverseError BROKER_MISSING
   */
  async forgetAgentsOf (username: string): Promise<number> {
    const { owners } = await this.#of.opened()
    return await owners.forgetUser(username)
  }

  /** See `ClientHost`. */
  async clearRetained (topic: string): Promise<boolean> {
    return await this.#of.broker()?.clearRetained?.(topic) ?? false
  }
}
