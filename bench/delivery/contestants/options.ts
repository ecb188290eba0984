import type { Rule } from '../../../lib/broker/access/rules.ts'

/** Rules are on, as with an operator who has some: what the load needs is granted by the last one. */
export const rules: Rule[] = [
  ...Array.from({ length: 20 }, (_, i): Rule => ({ subject: 'user', username: `user-${i}`, access: 'readwrite', topic: `place/${i}/#` })),
  { subject: 'everyone', access: 'write', topic: 'sensor_data/%u' },
  { subject: 'everyone', access: 'read', topic: 'config_change/%u' },
  { subject: 'everyone', access: 'deny', topic: 'secret/#' },
  { subject: 'everyone', access: 'readwrite', topic: '#' }
]

/** All limits are on; those that the load itself would meet are raised: 15,000 idle connections, and more messages than a stranger may send. */
export const limits = { connections: 20_000, messageRate: 1_000_000, packetRate: 1_000_000, byteRate: 1_000_000_000 }
