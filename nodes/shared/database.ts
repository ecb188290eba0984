import { PlatziverseError } from '../../lib/errors.ts'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import type { RED, RedNode } from './red.ts'
import { bad, problemText } from './status.ts'

/** The database that a node chose. Undefined where there is none: the node says so, and refuses every message. */
export function databaseOf (RED: RED, node: RedNode, id: string): DatabaseNode | undefined {
  const database = RED.nodes.getNode(id) as DatabaseNode | null
  if (database?.store) return database
  const error = new PlatziverseError('DATABASE_MISSING', 'No database is chosen, or it is disabled.')
  node.error(error)
  node.status(bad(problemText(RED, error.code)))
  node.on('input', (_msg, _send, done) => { done(error) })
  return undefined
}
