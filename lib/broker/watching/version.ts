import { createRequire } from 'node:module'

// By the package's own name: the way to package.json is another one in dist/.
const packageFile = createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json') as { version: string }

export const version = `platziverse ${packageFile.version}`
