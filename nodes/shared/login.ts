import { PlatziverseError } from '../../lib/errors.ts'

/** A node's credentials. */
export interface Credentials { user?: string, password?: string }

/**
 * A node that had a login does not connect without it: the other side would take it for a stranger, with other rights.
 * @throws PlatziverseError CREDENTIALS_LOST
 */
export function checkLogin ({ hasLogin }: { hasLogin?: boolean }, { user, password }: Credentials = {}): void {
  if (hasLogin !== true || user || password) return
  throw new PlatziverseError('CREDENTIALS_LOST', 'The user and password of this node were lost with the credentials of the flows.')
}
