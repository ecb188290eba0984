import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export const rootFolder = fileURLToPath(new URL('..', import.meta.url))
export const benchFolder = fileURLToPath(new URL('.', import.meta.url))

/** Load a package as the root has it: the limit is measured with the very aedes and sqlite3 that the package uses. */
export const requireFromRoot = createRequire(new URL('../package.json', import.meta.url))
