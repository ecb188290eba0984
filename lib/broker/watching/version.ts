import { createRequire } from 'node:module'

// By the package's own name: from dist/, the path to package.json is another one.
const packageFile = createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json') as { version: string }

export const version = `platziverse ${packageFile.version}`
