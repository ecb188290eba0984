import { PlatziverseError } from '../../lib/errors.ts'

/**
 * A node that had a login does not connect without it: to the other side it would be a stranger, who may be allowed something else.
 * @throws PlatziverseError CREDENTIALS_LOST
 */
export function checkLogin ({ hasLogin }: { hasLogin?: boolean }, { user, password }: { user?: string, password?: string } = {}): void {
  if (hasLogin !== true || user || password) return
  throw new PlatziverseError('CREDENTIALS_LOST', 'The user and password of this node were lost with the credentials of the flows.')
}
