import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import type { Unreadable } from './migrations.ts'
import type { RED, RedNode } from './red.ts'
import { bad, problemText } from './status.ts'

/** What `make` makes for a node. Undefined where it throws: the node says why, and refuses every message. */
export function orRefuse<Made> (RED: RED, node: Pick<RedNode, 'error' | 'status' | 'on'>, make: () => Made): Made | undefined {
  try {
    return make()
  } catch (error) {
    node.status(bad(error instanceof PlatziverseError ? problemText(RED, error.code) : reasonOf(error)))
    node.error(error)
    node.on('input', (_msg, _send, done) => { done(error as Error) })
    return undefined
  }
}

/**
 * What a node saved, as it is saved today.
 * @param upgrade of the node's migrations
 * @throws PlatziverseError NODE_PROPERTY_INVALID
 */
export function readSaved<Config> (upgrade: (saved: Partial<Config>, unreadable: Unreadable) => Config, saved: Partial<Config>): Config {
  const names: string[] = []
  const config = upgrade(saved, name => { names.push(name) })
  if (names.length === 0) return config
  throw new PlatziverseError('NODE_PROPERTY_INVALID', `What was saved as ${names.map(name => `"${name}"`).join(', ')} cannot be read.`)
}
