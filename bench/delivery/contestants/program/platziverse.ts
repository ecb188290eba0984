import { join } from 'node:path'
import type { EmbeddedBrokerOptions } from '../../../../lib/broker/broker-options.ts'
import { rootFolder } from '../../../from-root.ts'
import { limits, rules } from '../options.ts'

// p: node platziverse.ts <port>
type Lib<Module> = Promise<Module>
const { openEmbeddedBroker } = await (import(join(rootFolder, 'dist/lib/broker/engine/embedded-broker.js')) as Lib<typeof import('../../../../lib/broker/engine/embedded-broker.ts')>)
const { readLimits } = await (import(join(rootFolder, 'dist/lib/broker/limits.js')) as Lib<typeof import('../../../../lib/broker/limits.ts')>)

const options: EmbeddedBrokerOptions = {
  listeners: [{ transport: 'tcp', host: '127.0.0.1', port: Number(process.argv[2]) }],
  anonymous: false,
  users: [],
  rules,
  limits: readLimits(limits),
  folder: undefined,
  sys: 0
}
await openEmbeddedBroker({ takes: () => false, take: () => undefined, gone: () => undefined }, options)
