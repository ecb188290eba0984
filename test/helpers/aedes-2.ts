import module from 'node:module'

type Resolve = (specifier: string, context: object) => object
type Hooks = { resolve (specifier: string, context: object, next: Resolve): object }

// Newer than the types of Node.js 20. It concerns require.resolve() too, which register() does not.
const { registerHooks } = module as unknown as { registerHooks (hooks: Hooks): void }

// For `node --import`: who imports aedes gets its next major version, which is installed beside it as aedes-2.
registerHooks({ resolve: (specifier, context, next) => next(specifier === 'aedes' ? 'aedes-2' : specifier, context) })
